"""Projects that came back from a backup go on above everything that clients may have seen."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.backups.floors import PLAUSIBLE, floors
from fairlot.service.backups.replaced import Replaced
from fairlot.service.publishing import publish_above
from fairlot.store import Store
from fairlot.store.experiments import newest_manifest
from fairlot.store.manifest_versions import mark_revoked
from fairlot.store.previews import add_revoked_preview
from fairlot.store.tenants import ProjectRow, all_projects
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.manifest_versions import highest_manifest_versions


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
    replaced: Replaced,
    logs: tuple[Path, ...],
    above: int | None,
    actor: Actor,
    now_ms: int,
) -> tuple[Continued, ...]:
    """Publish every project anew, and put that on record, in one transaction. What the replaced
    database had clients refuse they go on to refuse.

    `logs` are the folders of event logs that may know of later versions; `backup_of` is when the
    backup was made.
    """
    note = f"after a restore of the backup of {backup_of}"
    with store.writing() as connection:
        projects = all_projects(connection)
        newest = {each.id: newest_manifest(connection, each.id) for each in projects}
        restored = {key: -1 if row is None else row.version for key, row in newest.items()}
        limit = max(restored.values(), default=0) + PLAUSIBLE
        lowest = floors(restored, replaced=replaced.newest, seen=_seen(logs, limit), above=above)
        revoked = _keep_revoked(connection, projects, replaced, now_ms)
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
            kept = revoked.get(project.id, [])
            _record(connection, project, done[-1], kept, backup_of, actor, now_ms)
    return tuple(done)


def _keep_revoked(
    connection: Connection, projects: Iterable[ProjectRow], replaced: Replaced, now_ms: int
) -> dict[str, list[int]]:
    """The versions, rising, that were revoked since the backup was made, by project id."""
    organizations = {project.organization_id for project in projects}
    for preview in replaced.previews:
        if preview.organization_id in organizations and preview.expires_at_ms > now_ms:
            add_revoked_preview(
                connection,
                preview.organization_id,
                preview.jti,
                preview.expires_at_ms,
                preview.revoked_at_ms,
            )
    kept: dict[str, list[int]] = {project.id: [] for project in projects}
    for each in sorted(replaced.versions, key=lambda each: each.version):
        if each.project_id in kept and mark_revoked(
            connection, each.project_id, each.version, each.reason, each.revoked_at_ms
        ):
            kept[each.project_id].append(each.version)
    return kept


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
    revoked: list[int],
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
            **({"revoked": revoked} if revoked else {}),
        },
    )
