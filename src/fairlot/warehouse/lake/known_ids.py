"""Which events are in the lake already."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlot.warehouse.lake.readable import files_relation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPEATED_WITHIN: Final = timedelta(days=30)
"""How long an event id is looked for before the event of the same id counts again."""


def drop_known(
    session: "DuckDBPyConnection", table: str, files_by_day: Mapping[date, Sequence[Path]]
) -> None:
    """Delete from a table of events of one project those whose id is in a file, received in the 30
    days before them or later."""
    row = session.execute(f"SELECT CAST(min(received_at) AS DATE) FROM {table}").fetchone()  # noqa: S608
    if row is None or row[0] is None:
        return
    since = row[0] - REPEATED_WITHIN
    recent = [path for day, paths in files_by_day.items() if day >= since for path in paths]
    if recent:
        session.execute(
            f"DELETE FROM {table} WHERE rowid IN (SELECT new.rowid FROM"  # noqa: S608
            f" {files_relation(recent)} AS known JOIN {table} AS new"
            " ON known.event_id = new.event_id"
            " AND known.received_at >= CAST(new.received_at AS DATE)"
            f" - INTERVAL {REPEATED_WITHIN.days} DAY)"
        )
