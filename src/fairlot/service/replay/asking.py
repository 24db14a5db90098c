"""A replay over what is stored: the event log and every version of the manifest."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import Connection

from fairlot.manifest.definitions import DocumentKind
from fairlot.service.questions import UnknownExperiment
from fairlot.service.replay.origins import Origins
from fairlot.service.replay.replaying import DEFAULT_LISTED, replay
from fairlot.service.replay.report import Replay
from fairlot.service.replay.versions import StoredVersions
from fairlot.service.results.questions import HOLDOUT
from fairlot.store import Store
from fairlot.store.audit import AuditFilter, read_audit_records
from fairlot.store.definitions import definitions_of
from fairlot.store.experiments import ManifestRow, experiments_of, newest_manifest
from fairlot.store.manifest_versions import find_manifest
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.lake import EventKind, Lake, open_lake
from fairlot.warehouse.lake.layout import place_of
from fairlot.warehouse.stored import StoredLog

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY: Final = "1500MB"
_KIND_PART: Final = -3
HOLDOUT_PREFIX: Final = f"{HOLDOUT}."


class _Summed(msgspec.Struct, frozen=True, rename="camel"):
    server_sha256: str | None = None


def replay_stored(
    store: Store,
    tenant: ProjectRow,
    key: str,
    events_dir: Path,
    *,
    listed: int = DEFAULT_LISTED,
) -> Replay:
    """Of an experiment, also one that was deleted; of the `holdout`, or an earlier one by
    `holdout.<key>`. No transaction is open while the events are read, which may take minutes.
    Raises UnknownExperiment and UnusableLogFile."""
    with store.reading() as connection:
        key, experiment_id = _known(connection, tenant, key)
    project = f"{tenant.organization_key}/{tenant.key}"
    stored = StoredLog(events_dir)
    try:
        with open_lake(events_dir, tenant.id, threads=2, memory_limit=_MEMORY) as lake:
            session = lake.connection
            versions = _versions(store, tenant, key)  # after the events, which may name the newest
            origins = Origins(
                versions, stored.stored_assignments, lambda: linked_ids(session, tenant.id)
            )
            return replay(
                session,
                tenant.id,
                origins,
                project=project,
                experiment_id=experiment_id,
                listed=listed,
                unreadable=_unreadable(lake),
            )
    finally:
        stored.close(0)


def _unreadable(lake: Lake) -> tuple[str, ...]:
    """Of files that may hold exposures, or what explains them."""
    paths = (each.path for each in lake.unreadable)
    return tuple(
        place_of(path) for path in paths if path.parts[_KIND_PART] != EventKind.CONVERSIONS
    )


def linked_ids(connection: "DuckDBPyConnection", project_id: str) -> Mapping[str, set[str]]:
    """The ids that a login has linked to an id, either way."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    rows = connection.execute(
        "SELECT DISTINCT subject_id, user_id FROM identities WHERE project_id = ?", [project_id]
    ).fetchall()
    for subject_id, user_id in rows:
        found[subject_id].add(user_id)
        found[user_id].add(subject_id)
    return found


def _known(connection: Connection, tenant: ProjectRow, key: str) -> tuple[str, str]:
    """The key that exposures have, and the id. Raises UnknownExperiment."""
    known = experiments_of(connection, tenant.id)
    if key in known:
        return key, known[key].id
    key = _holdout_key(connection, tenant, key) or key
    if not key.startswith(HOLDOUT_PREFIX):
        raise UnknownExperiment(key, known)
    return key, key


def _versions(store: Store, tenant: ProjectRow, key: str) -> StoredVersions:
    """Each is read in a short transaction of its own."""

    def read(version: int) -> ManifestRow | None:
        with store.reading() as connection:
            return find_manifest(connection, tenant.id, version)

    def server_sum(version: int) -> str | None:
        with store.reading() as connection:
            return _server_sum(connection, tenant, version)

    with store.reading() as connection:
        newest = newest_manifest(connection, tenant.id)
    return StoredVersions(key, -1 if newest is None else newest.version, read, server_sum)


def _holdout_key(connection: Connection, tenant: ProjectRow, key: str) -> str | None:
    """`holdout` is the one that the project has."""
    for row in definitions_of(connection, tenant.id):
        if key == HOLDOUT and row.kind == DocumentKind.HOLDOUT and row.deleted_at_ms is None:
            return f"{HOLDOUT_PREFIX}{row.key}"
    return None


def _server_sum(connection: Connection, tenant: ProjectRow, version: int) -> str | None:
    only = AuditFilter(
        projects=frozenset({tenant.key}), action="manifest.publish", target=f"manifest:{version}"
    )
    rows = read_audit_records(connection, tenant.organization_id, limit=1, only=only)
    return msgspec.json.decode(rows[0].details, type=_Summed).server_sha256 if rows else None
