"""Definitions beside experiments, revisions of both, the audit log, and who did what."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REFUSE_ON_SQLITE = """
    CREATE TRIGGER audit_records_refuse_{verb} BEFORE {verb} ON audit_records
    BEGIN SELECT RAISE(ABORT, 'audit records are only ever added'); END
"""
# INSERT OR REPLACE deletes without asking the trigger of DELETE.
_REFUSE_REPLACE_ON_SQLITE = """
    CREATE TRIGGER audit_records_refuse_REPLACE BEFORE INSERT ON audit_records
    WHEN EXISTS (SELECT 1 FROM audit_records
                 WHERE organization_id = NEW.organization_id AND seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'audit records are only ever added'); END
"""
_REFUSE_ON_POSTGRESQL = """
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit records are only ever added'; END $$
"""
_TRIGGER_ON_POSTGRESQL = """
    CREATE TRIGGER audit_records_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""


def upgrade() -> None:
    for table, columns in _added_columns().items():
        for column in columns:
            op.add_column(table, column)
    definitions = _create_definitions()
    revisions = _create_revisions()
    _move_layers(definitions, revisions)
    _begin_revisions(revisions)
    _create_audit()
    _create_replies()


def downgrade() -> None:
    """Layers survive; segments, metrics, holdouts, revisions and the audit log do not."""
    _move_layers_back()
    for table in ("idempotent_replies", "audit_heads", "audit_records", "revisions", "definitions"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change")
    _end_new_states()
    for table, columns in _added_columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added_columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "projects": (
            sa.Column("review_required", sa.Boolean, nullable=False, server_default=sa.false()),
        ),
        "tokens": (
            sa.Column("expires_at_ms", sa.BigInteger),
            sa.Column("last_used_at_ms", sa.BigInteger),
        ),
        "api_keys": (sa.Column("name", sa.Text), sa.Column("created_by", sa.String(64))),
        "signing_keys": (
            sa.Column("announced_at_ms", sa.BigInteger),
            sa.Column("state_at_ms", sa.BigInteger),
        ),
        "experiments": (
            sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
            sa.Column("author", sa.String(64)),
            sa.Column("status_reason", sa.Text),
            sa.Column("approved_by", sa.String(64)),
        ),
        "manifests": (
            sa.Column("author", sa.String(64)),
            sa.Column("note", sa.Text),
            sa.Column("revoke_reason", sa.Text),
        ),
    }


def _create_definitions() -> sa.Table:
    return op.create_table(
        "definitions",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("salt", sa.String(128)),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_definitions"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_definitions_project_id"),
        sa.UniqueConstraint("project_id", "kind", "key", name="uq_definitions_project_id_kind_key"),
    )


def _create_revisions() -> sa.Table:
    return op.create_table(
        "revisions",
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("status", sa.String(16)),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind", "key", "number", name="pk_revisions"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_revisions_project_id"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit_records",
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("project", sa.String(64)),
        sa.Column("target", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "seq", name="pk_audit_records"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_audit_records_organization_id"
        ),
    )
    op.create_table(
        "audit_heads",
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_audit_heads"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_audit_heads_organization_id"
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE_ON_POSTGRESQL)
        op.execute(_TRIGGER_ON_POSTGRESQL)
    else:
        for verb in ("UPDATE", "DELETE"):
            op.execute(_REFUSE_ON_SQLITE.format(verb=verb))
        op.execute(_REFUSE_REPLACE_ON_SQLITE)


def _create_replies() -> None:
    op.create_table(
        "idempotent_replies",
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "actor", "key", name="pk_idempotent_replies"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="fk_idempotent_replies_organization_id",
        ),
    )


def _move_layers(definitions: sa.Table, revisions: sa.Table) -> None:
    """A layer that was made when an experiment first named it has no text of its own."""
    query = sa.text("SELECT id, project_id, key, salt, created_at_ms FROM layers")
    for layer in op.get_bind().execute(query).mappings().all():
        document = f'{{"kind":"layer","key":"{layer["key"]}"}}'.encode()
        op.bulk_insert(
            definitions,
            [
                {
                    **layer,
                    "kind": "layer",
                    "document": document,
                    "source": "",
                    "revision": 1,
                    "updated_at_ms": layer["created_at_ms"],
                    "deleted_at_ms": None,
                }
            ],
        )
        first = {"kind": "layer", "key": layer["key"], "status": None, "source": ""}
        _add_revision(revisions, layer["project_id"], layer["created_at_ms"], document, first)
    op.drop_table("layers")


def _begin_revisions(revisions: sa.Table) -> None:
    """What is stored becomes revision 1; who wrote it is not known."""
    query = sa.text(
        "SELECT project_id, key, updated_at_ms, status, document, source FROM experiments"
    )
    for row in op.get_bind().execute(query).mappings().all():
        first = {
            "kind": "experiment",
            "key": row["key"],
            "status": row["status"],
            "source": row["source"],
        }
        _add_revision(revisions, row["project_id"], row["updated_at_ms"], row["document"], first)


def _add_revision(
    revisions: sa.Table, project_id: str, at_ms: int, document: bytes, first: dict[str, str | None]
) -> None:
    values = {
        "project_id": project_id,
        "number": 1,
        "at_ms": at_ms,
        "author": "system",
        "action": "migrate",
        "reason": None,
        "document": document,
    }
    op.bulk_insert(revisions, [values | first])


def _move_layers_back() -> None:
    layers = op.create_table(
        "layers",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("salt", sa.String(128), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_layers"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_layers_project_id"),
        sa.UniqueConstraint("project_id", "key", name="uq_layers_project_id_key"),
    )
    query = sa.text(
        "SELECT id, project_id, key, salt, created_at_ms FROM definitions WHERE kind = 'layer'"
    )
    op.bulk_insert(layers, [dict(row) for row in op.get_bind().execute(query).mappings().all()])


def _end_new_states() -> None:
    """What an earlier version does not know: it would not start."""
    op.execute("UPDATE experiments SET status = 'draft' WHERE status IN ('review', 'approved')")
    op.execute("UPDATE experiments SET status = 'completed' WHERE status = 'killed'")
