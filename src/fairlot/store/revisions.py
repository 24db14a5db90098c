"""Every content that an experiment or a definition has had, as rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from fairlot.store.tables import revisions

EXPERIMENT: Final = "experiment"


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """`kind` is `experiment` or that of a definition. `document` and `source` are what stood there
    after the change, `status` the experiment's state then."""

    project_id: str
    kind: str
    key: str
    number: int
    at_ms: int
    author: str
    action: str
    reason: str | None
    status: str | None
    document: bytes
    source: str


class RevisionStep(NamedTuple):
    """What a revision did, and the content and the text that stood there after it."""

    author: str
    action: str
    status: str | None
    document: bytes
    source: str


def add_revisions(connection: Connection, rows: Sequence[RevisionRow]) -> None:
    if rows:
        connection.execute(revisions.insert(), [asdict(row) for row in rows])


def revisions_of(
    connection: Connection, project_id: str, kind: str, key: str, *, limit: int, before: int | None
) -> list[RevisionRow]:
    """The newest first; those below number `before`, if that is given."""
    query = select(revisions).where(*_of(project_id, kind, key))
    if before is not None:
        query = query.where(revisions.c.number < before)
    rows = connection.execute(query.order_by(revisions.c.number.desc()).limit(limit))
    return [RevisionRow(**row) for row in rows.mappings()]


def steps_of(connection: Connection, project_id: str, kind: str, key: str) -> list[RevisionStep]:
    """Of all revisions, the newest first."""
    done = (revisions.c[name] for name in RevisionStep._fields)
    rows = connection.execute(
        select(*done).where(*_of(project_id, kind, key)).order_by(revisions.c.number.desc())
    )
    return [RevisionStep(*row) for row in rows]


def find_revision(
    connection: Connection, project_id: str, kind: str, key: str, number: int
) -> RevisionRow | None:
    found = connection.execute(
        select(revisions).where(*_of(project_id, kind, key), revisions.c.number == number)
    )
    row = found.mappings().one_or_none()
    return None if row is None else RevisionRow(**row)


def revisions_at(connection: Connection, project_id: str, at_ms: int) -> list[RevisionRow]:
    """The newest of each experiment and definition at a moment, deletions too; by kind and key."""
    newest = (
        select(revisions.c.kind, revisions.c.key, func.max(revisions.c.number).label("number"))
        .where(revisions.c.project_id == project_id, revisions.c.at_ms <= at_ms)
        .group_by(revisions.c.kind, revisions.c.key)
        .subquery()
    )
    rows = connection.execute(
        select(revisions)
        .join(
            newest,
            and_(
                revisions.c.kind == newest.c.kind,
                revisions.c.key == newest.c.key,
                revisions.c.number == newest.c.number,
            ),
        )
        .where(revisions.c.project_id == project_id)
        .order_by(revisions.c.kind, revisions.c.key)
    )
    return [RevisionRow(**row) for row in rows.mappings()]


def ended_at_ms(connection: Connection, project_id: str, key: str) -> int | None:
    """When an experiment was completed or killed."""
    over = ("completed", "killed")
    found = connection.execute(
        select(func.min(revisions.c.at_ms)).where(
            *_of(project_id, EXPERIMENT, key), revisions.c.status.in_(over)
        )
    )
    at_ms: int | None = found.scalar_one()
    return at_ms


def newest_revision(connection: Connection, project_id: str) -> RevisionRow | None:
    """Of whatever the project changed last."""
    found = connection.execute(
        select(revisions)
        .where(revisions.c.project_id == project_id)
        .order_by(revisions.c.at_ms.desc(), revisions.c.number.desc())
        .limit(1)
    )
    row = found.mappings().one_or_none()
    return None if row is None else RevisionRow(**row)


def _of(project_id: str, kind: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return (
        revisions.c.project_id == project_id,
        revisions.c.kind == kind,
        revisions.c.key == key,
    )
