"""Projects that came back from a backup go on above everything that clients may have seen."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.backups.floors import PLAUSIBLE, floors
from fairlot.service.publishing import publish_above
from fairlot.store import Store
from fairlot.store.experiments import newest_manifest
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import ProjectRow, all_projects
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.manifest_versions import highest_manifest_versions

_NEWEST = "SELECT project_id, max(version) FROM manifests GROUP BY project_id"


@dataclass(frozen=True, slots=True)
class Continued:
    """The version that a project was restored with (None: none), and the one it goes on with."""

    org: str
    project: str
    restored: int | None
    published: int


def go_on_above(
    store: Store,
    *,
    backup_of: str,
    replaced: Mapping[str, int],
    logs: tuple[Path, ...],
    above: int | None,
    actor: Actor,
    now_ms: int,
) -> tuple[Continued, ...]:
    """Publish every project anew, and put that on record, in one transaction.

    `replaced` are the newest versions of the database that was replaced, by project id, and `logs`
    the folders of event logs that may know of later ones; `backup_of` is when the backup was made.
    """
    note = f"after a restore of the backup of {backup_of}"
    with store.writing() as connection:
        projects = all_projects(connection)
        newest = {each.id: newest_manifest(connection, each.id) for each in projects}
        restored = {key: -1 if row is None else row.version for key, row in newest.items()}
        limit = max(restored.values(), default=0) + PLAUSIBLE
        lowest = floors(restored, replaced=replaced, seen=_seen(logs, limit), above=above)
        done = []
        for project in projects:
            row, floor = newest[project.id], lowest[project.id]
            version = publish_above(connection, project, actor, floor, now_ms=now_ms, note=note)
            done.append(
                Continued(
                    project.organization_key,
                    project.key,
                    None if row is None else row.version,
                    version,
                )
            )
            _record(connection, project, done[-1], backup_of, actor, now_ms)
    return tuple(done)


def versions_in(data_dir: Path) -> dict[str, int]:
    """The newest versions of the database in a data directory, by project id; none when it cannot
    be read. It is neither migrated nor unsealed: it may be damaged, or of another secret."""
    uri = f"{(data_dir / DATABASE_FILE).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return dict(connection.execute(_NEWEST))
    except sqlite3.Error:
        return {}


def _seen(logs: Iterable[Path], limit: int) -> dict[str, int]:
    """Of all logs that can be read."""
    seen: dict[str, int] = {}
    for directory in logs:
        with suppress(UnusableLogFile):
            for project_id, version in highest_manifest_versions(directory, limit).items():
                seen[project_id] = max(version, seen.get(project_id, -1))
    return seen


def _record(
    connection: Connection,
    project: ProjectRow,
    continued: Continued,
    backup_of: str,
    actor: Actor,
    now_ms: int,
) -> None:
    record(
        connection,
        project.organization_id,
        actor,
        "project.restore",
        now_ms=now_ms,
        project=project.key,
        target=f"project:{project.key}",
        details={
            "backup": backup_of,
            "restored": continued.restored,
            "published": continued.published,
        },
    )
