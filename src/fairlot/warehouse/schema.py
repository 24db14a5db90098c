"""The tables of one file of the event log, and how older files are brought up to date."""

# Step n brings a file of schema n - 1 to schema n. Units come in no order, so nearly every new
# assignment dirties a page of its own: 35 us a row, against 5 for one that is there already. The
# pages and the cache are sized for that.
_EXPOSURES_AND_ASSIGNMENTS = """
    CREATE TABLE exposures (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        experiment_key TEXT NOT NULL,
        received_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE assignments (
        experiment_id TEXT NOT NULL,
        unit_id TEXT NOT NULL,
        experiment_key TEXT NOT NULL,
        variant_key TEXT NOT NULL,
        manifest_version INTEGER NOT NULL,
        assigned_at_ms INTEGER NOT NULL,
        PRIMARY KEY (experiment_id, unit_id)
    ) WITHOUT ROWID;
"""
# Event ids are the senders' own from here on, so an id is known to its project only: one project
# cannot keep an event of another out, nor learn of it.
_WHAT_SENDERS_SEND = """
    ALTER TABLE exposures RENAME TO exposures_before;
    CREATE TABLE exposures (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        project_id TEXT NOT NULL,
        experiment_key TEXT NOT NULL,
        received_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (event_id, project_id)
    );
    INSERT INTO exposures (seq, event_id, project_id, experiment_key, received_at_ms, body)
        SELECT seq, event_id, json_extract(CAST(body AS TEXT), '$.project_id'), experiment_key,
            received_at_ms, body
        FROM exposures_before ORDER BY seq;
    DROP TABLE exposures_before;
    CREATE TABLE conversions (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        project_id TEXT NOT NULL,
        event_name TEXT NOT NULL,
        received_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (event_id, project_id)
    );
    CREATE TABLE identities (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL,
        project_id TEXT NOT NULL,
        received_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (event_id, project_id)
    );
    CREATE TABLE batches (
        project_id TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        batch_seq INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        events_before INTEGER NOT NULL,
        dropped_total INTEGER NOT NULL,
        source TEXT,
        received_at_ms INTEGER NOT NULL,
        times INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (project_id, sender_id, batch_seq)
    ) WITHOUT ROWID;
"""
# The deletions of subjects that this file has made, and whether its write-ahead log, which held
# what was deleted, was emptied since.
_WHAT_WAS_ERASED = """
    CREATE TABLE erased (
        deletion_id TEXT PRIMARY KEY,
        emptied INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
"""
SCHEMA_STEPS = (_EXPOSURES_AND_ASSIGNMENTS, _WHAT_SENDERS_SEND, _WHAT_WAS_ERASED)
WITHOUT_TRACES = 3
"""Files of an older schema hold traces of rows that were moved or deleted in them."""
