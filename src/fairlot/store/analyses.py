"""What is fixed of an experiment's analysis, and its looks, as rows. What stands there stays, until
all looks of an experiment are deleted."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from fairlot.store.tables import analyses, looks


@dataclass(frozen=True, slots=True)
class LookRow:
    """`closed_on` is an ISO date; `document` JSON."""

    experiment_id: str
    metric_key: str
    variant_key: str
    closed_on: str
    document: bytes


def read_analysis(
    connection: Connection, experiment_id: str, *, to_change: bool = False
) -> bytes | None:
    """`to_change` keeps others from changing it until the transaction ends."""
    query = select(analyses.c.document).where(analyses.c.experiment_id == experiment_id)
    if to_change:
        query = query.with_for_update()
    document: bytes | None = connection.execute(query).scalar_one_or_none()
    return document


def add_analysis(connection: Connection, experiment_id: str, document: bytes, now_ms: int) -> None:
    """Nothing is done where there is one."""
    row = {"experiment_id": experiment_id, "document": document, "fixed_at_ms": now_ms}
    _insert_new(connection, analyses, [row])


def replace_analysis(connection: Connection, experiment_id: str, document: bytes) -> None:
    connection.execute(
        update(analyses).where(analyses.c.experiment_id == experiment_id).values(document=document)
    )


def looks_of(connection: Connection, experiment_id: str) -> list[LookRow]:
    """By metric, variant and day."""
    columns = looks.c
    rows = connection.execute(
        select(looks)
        .where(columns.experiment_id == experiment_id)
        .order_by(columns.metric_key, columns.variant_key, columns.closed_on)
    )
    return [LookRow(**row) for row in rows.mappings()]


def add_looks(connection: Connection, rows: Iterable[LookRow]) -> None:
    """Those that are there already stay what they are."""
    _insert_new(connection, looks, [asdict(row) for row in rows])


def delete_looks(connection: Connection, experiment_id: str) -> None:
    connection.execute(delete(looks).where(looks.c.experiment_id == experiment_id))


def _insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
    else:
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
