"""Which events are in the lake already."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.damage import may_be_damage, note_damage
from fairlot.warehouse.lake.readable import files_relation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPEATED_WITHIN: Final = timedelta(days=30)
"""How long an event id is looked for before the event of the same id counts again."""


def drop_known(
    session: "DuckDBPyConnection",
    directory: Path,
    kind: EventKind,
    table: str,
    files_by_day: Mapping[date, list[Path]],
) -> dict[date, list[Path]]:
    """Delete from a table of events of one project those whose id is in a file, received in the 30
    days before them or later. The files, without those that turned out to be damaged."""
    import duckdb  # slow to import, and few need it

    files = dict(files_by_day)
    row = session.execute(f"SELECT CAST(min(received_at) AS DATE) FROM {table}").fetchone()  # noqa: S608
    if row is None or row[0] is None:
        return files
    since = row[0] - REPEATED_WITHIN
    try:
        _delete(session, table, _since(files, since))
    except duckdb.Error as error:
        if not may_be_damage(error):
            raise
        damaged = note_damage(session, directory, kind, _since(files, since))
        if not damaged:
            raise
        files = {
            day: [path for path in paths if path not in damaged] for day, paths in files.items()
        }
        _delete(session, table, _since(files, since))
    return files


def _since(files_by_day: Mapping[date, list[Path]], since: date) -> list[Path]:
    return [path for day, paths in files_by_day.items() if day >= since for path in paths]


def _delete(session: "DuckDBPyConnection", table: str, files: Sequence[Path]) -> None:
    if not files:
        return
    session.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT new.rowid FROM"  # noqa: S608 - our names
        f" {files_relation(files)} AS known JOIN {table} AS new"
        " ON known.event_id = new.event_id"
        " AND known.received_at >= CAST(new.received_at AS DATE)"
        f" - INTERVAL {REPEATED_WITHIN.days} DAY)"
    )
