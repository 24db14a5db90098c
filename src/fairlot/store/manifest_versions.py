"""Published versions, without the documents themselves: there may be thousands."""

from dataclasses import dataclass, fields

from sqlalchemy import Connection, select, update

from fairlot.store.experiments import ManifestRow
from fairlot.store.tables import manifests


@dataclass(frozen=True, slots=True)
class VersionRow:
    """`author` None is not known: it was published by an earlier version of Fairlot."""

    version: int
    kid: str
    published_at_ms: int
    author: str | None
    note: str | None
    revoked_at_ms: int | None
    revoke_reason: str | None


def versions_of(
    connection: Connection, project_id: str, *, limit: int, below: int | None = None
) -> list[VersionRow]:
    """The newest first, revoked ones too."""
    columns = [manifests.c[field.name] for field in fields(VersionRow)]
    query = select(*columns).where(manifests.c.project_id == project_id)
    if below is not None:
        query = query.where(manifests.c.version < below)
    query = query.order_by(manifests.c.version.desc()).limit(limit)
    return [VersionRow(**row) for row in connection.execute(query).mappings()]


def find_manifest(connection: Connection, project_id: str, version: int) -> ManifestRow | None:
    query = select(manifests).where(
        manifests.c.project_id == project_id, manifests.c.version == version
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else ManifestRow(**row)


def mark_revoked(
    connection: Connection, project_id: str, version: int, reason: str, now_ms: int
) -> None:
    connection.execute(
        update(manifests)
        .where(manifests.c.project_id == project_id, manifests.c.version == version)
        .values(revoked_at_ms=now_ms, revoke_reason=reason)
    )
