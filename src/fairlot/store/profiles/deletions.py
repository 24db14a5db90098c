"""Which subjects were deleted, as rows, and the deletion itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, select

from fairlot.store.profiles.rows import empty_profiles
from fairlot.store.profiles.tables import (
    deletions,
    profile_events,
    profile_identifiers,
    rejections,
)

KEPT_MS: Final = 90 * 86_400_000
"""So long who was away learns who was deleted."""
_DIGEST_BYTES: Final = 32
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class DeletionRow:
    """`digests` of all ids of the subject, `change_no` of the transaction that deleted it.
    `emptied`: the write-ahead log of the profiles was emptied since."""

    id: str
    project_id: str
    digests: frozenset[bytes]
    at_ms: int
    change_no: int
    emptied: bool


def add_deletion(connection: Connection, row: DeletionRow) -> None:
    connection.execute(
        deletions.insert().values(
            id=row.id,
            project_id=row.project_id,
            digests=b"".join(sorted(row.digests)),
            at_ms=row.at_ms,
            change_no=row.change_no,
            emptied=row.emptied,
        )
    )


def read_deletions(connection: Connection) -> list[DeletionRow]:
    """The earliest first."""
    rows = connection.execute(select(deletions).order_by(deletions.c.id))
    return [
        DeletionRow(
            row.id,
            row.project_id,
            frozenset(_digests_in(bytes(row.digests))),
            row.at_ms,
            row.change_no,
            row.emptied,
        )
        for row in rows
    ]


def is_emptied(connection: Connection, deletion_id: str) -> bool:
    """True also of one that is not known any more."""
    found = select(deletions.c.emptied).where(deletions.c.id == deletion_id)
    return connection.execute(found).scalar() is not False


def newest_deletion(connection: Connection) -> int:
    """The number of the change; 0 without any."""
    return connection.execute(select(func.max(deletions.c.change_no))).scalar() or 0


def note_emptied(connection: Connection, ids: Iterable[str]) -> None:
    """Of the deletions that were there before the write-ahead log was emptied."""
    connection.execute(deletions.update().where(deletions.c.id.in_(list(ids))).values(emptied=True))


def forget_deletions(connection: Connection, before_ms: int) -> None:
    connection.execute(delete(deletions).where(deletions.c.at_ms < before_ms))


def erase_profiles(
    connection: Connection,
    project_id: str,
    digests: Iterable[bytes],
    change_no: int,
    now_ms: int,
) -> Sequence[str]:
    """All that is called so, with its events; the ids of the profiles. Only these ids stay, so that
    other processes see that they are gone."""
    owned = connection.execute(
        select(profile_identifiers.c.profile_id).where(
            profile_identifiers.c.project_id == project_id,
            profile_identifiers.c.digest.in_(list(digests)),
        )
    )
    ids = sorted(set(owned.scalars()))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        for table in (profile_events, profile_identifiers):
            connection.execute(delete(table).where(table.c.profile_id.in_(some)))
    empty_profiles(connection, ids, change_no, now_ms)
    return ids


def forget_withdrawn(
    connection: Connection, project_id: str, digests: Iterable[bytes], now_ms: int
) -> None:
    """That they once had rejected. What is in force stays: who rejected and asked to be forgotten
    is not to be recorded again."""
    connection.execute(
        delete(rejections).where(
            rejections.c.project_id == project_id,
            rejections.c.digest.in_(list(digests)),
            rejections.c.until_ms <= now_ms,
        )
    )


def is_called(connection: Connection, project_id: str, digests: Iterable[bytes]) -> bool:
    """Whether somebody has one of these names."""
    owned = select(profile_identifiers.c.profile_id).where(
        profile_identifiers.c.project_id == project_id,
        profile_identifiers.c.digest.in_(list(digests)),
    )
    return connection.execute(owned.limit(1)).first() is not None


def _digests_in(joined: bytes) -> list[bytes]:
    return [joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES)]
