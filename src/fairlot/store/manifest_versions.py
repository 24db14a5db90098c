"""Published versions, without the documents themselves: there may be thousands."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import Connection, func, select, update

from fairlot.store.experiments import ManifestRow
from fairlot.store.tables import manifests, revocations

_AT_ONCE: Final = 16


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


def payloads_since(
    connection: Connection, project_id: str, since_ms: int
) -> Iterator[tuple[int, bytes]]:
    """What each version from a moment on decides by, the oldest first; a few at once in memory."""
    query = (
        select(manifests.c.version, func.coalesce(manifests.c.server_payload, manifests.c.payload))
        .where(manifests.c.project_id == project_id, manifests.c.published_at_ms >= since_ms)
        .order_by(manifests.c.version)
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in connection.execute(query):
        yield row[0], row[1]


def mark_revoked(
    connection: Connection, project_id: str, version: int, reason: str | None, now_ms: int
) -> bool:
    """Whether it is new: the first revocation stays as it is. Also of a version that is not
    stored."""
    of_version = (manifests.c.project_id == project_id, manifests.c.version == version)
    revoked = {"revoked_at_ms": now_ms, "revoke_reason": reason}
    stored = connection.execute(select(manifests.c.revoked_at_ms).where(*of_version)).first()
    if stored is not None:
        if stored.revoked_at_ms is None:
            connection.execute(update(manifests).where(*of_version).values(revoked))
        return stored.revoked_at_ms is None
    own = (revocations.c.project_id == project_id, revocations.c.version == version)
    if connection.execute(select(revocations.c.version).where(*own)).first() is not None:
        return False
    values = {"project_id": project_id, "version": version, **revoked}
    connection.execute(revocations.insert().values(values))
    return True
