"""Events of some days as a file that other programs read."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake.columns import EventKind, quoted
from fairlot.warehouse.lake.layout import partial_of
from fairlot.warehouse.lake.reading import Lake
from fairlot.warehouse.lake.writing import sync

_INSTANTS: Final = frozenset({"occurred_at", "received_at"})
_IS_PRIVATE: Final = "coalesce(TRY(json_extract(properties, '$.gpc') = 'true'), false)"
"""False also of what is no JSON, in a file that another program has written."""


class ExportFormat(StrEnum):
    PARQUET = "parquet"
    JSON_LINES = "jsonl"
    CSV = "csv"


_OPTIONS: Final[Mapping[ExportFormat, str]] = {
    ExportFormat.PARQUET: "FORMAT parquet, COMPRESSION zstd",
    ExportFormat.JSON_LINES: "FORMAT json",
    ExportFormat.CSV: "FORMAT csv, HEADER true",
}


class Exported(NamedTuple):
    """How many events were written, and how many were left out for the Global Privacy Control."""

    events: int
    left_out: int


def export_events(
    lake: Lake,
    kind: EventKind,
    path: Path,
    format_: ExportFormat,
    *,
    since: date,
    until: date,
    with_private: bool = False,
) -> Exported:
    """Write those received from the day `since` to the day `until`, both whole and UTC, in the
    order of receipt; what was recorded under the Global Privacy Control, which is about handing
    on, `with_private` only. The file appears whole. Texts of instants are RFC 3339. Raises
    UnusableLogFile and OSError."""
    import duckdb  # slow to import, and few need it

    columns = ", ".join(_column(name, format_) for name in kind.columns)
    received = (
        f"FROM {kind} WHERE CAST({kind}.received_at AS DATE)"
        f" BETWEEN DATE '{since}' AND DATE '{until}'"
    )
    chosen = "" if with_private else f" AND NOT {_IS_PRIVATE}"
    select = f"SELECT {columns} {received}{chosen} ORDER BY {kind}.received_at, {kind}.event_id"
    partial = partial_of(path)
    partial.touch(mode=0o600)  # says at once, and in plain words, when it cannot be
    try:
        written = _number(lake, f"COPY ({select}) TO {quoted(partial)} ({_OPTIONS[format_]})")
        left_out = 0
        if not with_private:
            left_out = _number(lake, f"SELECT count(*) {received} AND {_IS_PRIVATE}")
        sync(partial)
        partial.replace(path)
    except duckdb.Error as error:
        problem = f"cannot be exported ({type(error).__name__}); see to the disk and the lake"
        raise UnusableLogFile(path, problem) from error
    finally:
        partial.unlink(missing_ok=True)
    return Exported(written, left_out)


def _number(lake: Lake, statement: str) -> int:
    row = lake.connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _column(name: str, format_: ExportFormat) -> str:
    if format_ is not ExportFormat.PARQUET and name in _INSTANTS:
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ') AS {name}"
    if format_ is ExportFormat.JSON_LINES and name == "properties":
        return "CAST(properties AS JSON) AS properties"
    return name
