"""The audit log, as rows: a chain of records an organization, and where it ends."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Table,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NULLTYPE

from fairlot.store.tables import audit_heads, audit_records

_READ_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """`details` is canonical JSON; `previous` and `hash` are SHA-256."""

    organization_id: str
    seq: int
    at_ms: int
    actor: str
    action: str
    project: str | None
    target: str | None
    details: str
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last record of a chain. `sealed` says the same, out of reach of who has no secret."""

    seq: int
    hash: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to read; None is anything. `projects` are keys, and leave out what is of no project."""

    projects: frozenset[str] | None = None
    actor: str | None = None
    action: str | None = None
    target: str | None = None


EVERYTHING: Final = AuditFilter()


def add_audit_records(connection: Connection, rows: Sequence[AuditRow]) -> None:
    names = [each.name for each in fields(AuditRow)]
    values = [{name: getattr(row, name) for name in names} for row in rows]
    connection.execute(audit_records.insert(), values)


def last_audit_seq(connection: Connection, organization_id: str) -> int:
    """0 when there is no record."""
    query = select(func.max(audit_records.c.seq)).where(
        audit_records.c.organization_id == organization_id
    )
    return connection.execute(query).scalar() or 0


def read_audit_head(connection: Connection, organization_id: str) -> AuditHead | None:
    """With whatever stands in its columns, but for the seal, which is bytes."""
    row = connection.execute(
        select(*_as_stored(audit_heads)).where(audit_heads.c.organization_id == organization_id)
    ).one_or_none()
    if row is None:
        return None
    return AuditHead(row.seq, row.hash, row.sealed if isinstance(row.sealed, bytes) else b"")


def write_audit_head(connection: Connection, organization_id: str, head: AuditHead) -> None:
    values = {"seq": head.seq, "hash": head.hash, "sealed": head.sealed}
    own = audit_heads.c.organization_id == organization_id
    if connection.execute(audit_heads.update().where(own).values(values)).rowcount == 0:
        connection.execute(audit_heads.insert().values(organization_id=organization_id, **values))


def read_audit_records(
    connection: Connection,
    organization_id: str,
    *,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    only: AuditFilter = EVERYTHING,
) -> list[AuditRow]:
    """Those after a number, rising; otherwise the newest first, those before a number."""
    query = select(audit_records).where(audit_records.c.organization_id == organization_id)
    if only.projects is not None:
        query = query.where(audit_records.c.project.in_(only.projects))
    for name in ("actor", "action", "target"):
        wanted = getattr(only, name)
        if wanted is not None:
            query = query.where(audit_records.c[name] == wanted)
    if after is not None:
        query = query.where(audit_records.c.seq > after).order_by(audit_records.c.seq)
    else:
        if before is not None:
            query = query.where(audit_records.c.seq < before)
        query = query.order_by(audit_records.c.seq.desc())
    return [AuditRow(**row) for row in connection.execute(query.limit(limit)).mappings()]


def stored_audit_records(
    connection: Connection, organization_id: str
) -> Generator[AuditRow | None]:
    """All of a chain, rising, with whatever stands in the columns: it may be of any type. None, and
    no more, at a row that the database itself cannot read."""
    own = (audit_records.c.organization_id == organization_id,)
    after: tuple[ColumnElement[bool], ...] = ()
    at_once = _READ_AT_ONCE
    while True:
        query = select(*_as_stored(audit_records)).where(*own, *after).order_by(audit_records.c.seq)
        try:
            rows = connection.execute(query.limit(at_once)).mappings().all()
        except DBAPIError:
            if at_once == 1:
                yield None
                return
            at_once = 1
            continue
        if not rows:
            return
        yield from (AuditRow(**row) for row in rows)
        after = (audit_records.c.seq > literal(rows[-1]["seq"], NULLTYPE),)


def _as_stored(table: Table) -> list[Label[Any]]:
    """The columns without their types: who tampers with a database need not keep to them."""
    return [type_coerce(column, NULLTYPE).label(column.name) for column in table.c]
