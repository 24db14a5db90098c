"""Who has rejected, as rows: by project and by the digest of each of their names."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from fairlot.store.profiles.tables import rejections

_AT_ONCE: Final = 200


class RejectionRow(NamedTuple):
    """`until_ms` 0: withdrawn; it stays for others to see. Without a profile that is called so, it
    is all that is remembered of a deleted subject. `change_no` is of the transaction that wrote
    it."""

    project_id: str
    digest: bytes
    until_ms: int
    change_no: int


def write_rejections(connection: Connection, rows: Sequence[RejectionRow]) -> None:
    """The last one of a name counts."""
    by_name = {(row.project_id, row.digest): row for row in rows}
    names = list(by_name)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        connection.execute(
            delete(rejections).where(tuple_(rejections.c.project_id, rejections.c.digest).in_(some))
        )
    if by_name:
        connection.execute(rejections.insert(), [row._asdict() for row in by_name.values()])


def rejections_since(connection: Connection, change_no: int) -> Iterator[RejectionRow]:
    """Those that were written after that change."""
    query = select(rejections).where(rejections.c.change_no > change_no)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield RejectionRow(*row)
