"""Experiments and published manifests, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, bindparam, select

from fairlot.store.tables import experiments, manifests, revocations


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """`document` is the experiment as manifests write it. `status` may also be one of those that
    manifests never hold: `draft`, `review`, `approved`, `killed`. `author` made the newest content.

    `variant_ids` holds every variant key that was ever used. `draw_at_start` is set when the
    experiment starts, and `draw_changed` once the draw has differed from it.
    """

    id: str
    project_id: str
    key: str
    status: str
    document: bytes
    variant_ids: Mapping[str, str]
    description: str | None
    hypothesis: str | None
    owner: str | None
    tags: Sequence[str]
    metrics: Sequence[Mapping[str, Any]]
    source: str
    created_at_ms: int
    updated_at_ms: int
    started_at_ms: int | None = None
    draw_at_start: str | None = None
    draw_changed: bool = False
    deleted_at_ms: int | None = None
    revision: int = 1
    author: str | None = None
    status_reason: str | None = None
    approved_by: str | None = None
    analysis: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """`payload` is what was signed; `server_payload` None says that the server decides by no more
    than that."""

    project_id: str
    version: int
    payload: bytes
    signed: bytes
    kid: str
    published_at_ms: int
    revoked_at_ms: int | None = None
    author: str | None = None
    note: str | None = None
    revoke_reason: str | None = None
    server_payload: bytes | None = None

    @property
    def decided_by(self) -> bytes:
        """What the server decides by."""
        return self.payload if self.server_payload is None else self.server_payload


def experiments_of(connection: Connection, project_id: str) -> dict[str, ExperimentRow]:
    """By key, deleted ones too."""
    rows = connection.execute(
        select(experiments)
        .where(experiments.c.project_id == project_id)
        .order_by(experiments.c.key)
    )
    return {row["key"]: ExperimentRow(**row) for row in rows.mappings()}


def live_experiment_keys(connection: Connection, project_id: str) -> list[str]:
    """Of those that are not deleted."""
    found = connection.execute(
        select(experiments.c.key).where(
            experiments.c.project_id == project_id, experiments.c.deleted_at_ms.is_(None)
        )
    )
    return list(found.scalars())


def find_experiment(connection: Connection, project_id: str, key: str) -> ExperimentRow | None:
    """Also a deleted one."""
    found = connection.execute(
        select(experiments).where(experiments.c.project_id == project_id, experiments.c.key == key)
    )
    row = found.mappings().one_or_none()
    return None if row is None else ExperimentRow(**row)


def add_experiments(connection: Connection, rows: Sequence[ExperimentRow]) -> None:
    if rows:
        connection.execute(experiments.insert(), [_values(row) for row in rows])


def replace_experiments(connection: Connection, rows: Sequence[ExperimentRow]) -> None:
    if rows:
        statement = experiments.update().where(experiments.c.id == bindparam("own_id"))
        connection.execute(statement, [_values(row) | {"own_id": row.id} for row in rows])


def keys_with_changed_draws(connection: Connection, project_id: str) -> frozenset[str]:
    return frozenset(
        connection.execute(
            select(experiments.c.key).where(
                experiments.c.project_id == project_id, experiments.c.draw_changed
            )
        ).scalars()
    )


def add_manifest(connection: Connection, manifest: ManifestRow) -> None:
    connection.execute(manifests.insert().values(_values(manifest)))


def newest_manifest(connection: Connection, project_id: str) -> ManifestRow | None:
    """The highest version that was ever published, revoked or not."""
    rows = connection.execute(
        select(manifests)
        .where(manifests.c.project_id == project_id)
        .order_by(manifests.c.version.desc())
        .limit(1)
    )
    found = rows.mappings().one_or_none()
    return None if found is None else ManifestRow(**found)


def live_versions(connection: Connection, project_id: str) -> list[int]:
    """The versions that are not revoked, newest first."""
    return list(
        connection.execute(
            select(manifests.c.version)
            .where(manifests.c.project_id == project_id, manifests.c.revoked_at_ms.is_(None))
            .order_by(manifests.c.version.desc())
        ).scalars()
    )


def read_manifest(connection: Connection, project_id: str, version: int) -> ManifestRow:
    rows = connection.execute(
        select(manifests).where(
            manifests.c.project_id == project_id, manifests.c.version == version
        )
    )
    return ManifestRow(**rows.mappings().one())


def revoked_versions(connection: Connection) -> dict[str, list[int]]:
    """By project id, rising; also those that are not stored."""
    found: dict[str, list[int]] = {}
    rows = connection.execute(
        select(manifests.c.project_id, manifests.c.version)
        .where(manifests.c.revoked_at_ms.is_not(None))
        .union_all(select(revocations.c.project_id, revocations.c.version))
        .order_by("version")
    )
    for row in rows:
        found.setdefault(row.project_id, []).append(row.version)
    return found


def _values(row: ExperimentRow | ManifestRow) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
