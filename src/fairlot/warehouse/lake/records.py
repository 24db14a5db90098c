"""The records of the whole log, files and tail, as those read them who want no SQL."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from fairlot.events import Conversion, Exposure, Identity
from fairlot.warehouse.lake.columns import EventKind, quoted
from fairlot.warehouse.lake.layout import projects_in
from fairlot.warehouse.lake.readable import files_relation
from fairlot.warehouse.lake.reading import Lake, open_lake
from fairlot.warehouse.lake.tail import projects_of_tail
from fairlot.warehouse.whose import UNIT, Whose

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

E = TypeVar("E", Exposure, Conversion, Identity)
_ROWS_AT_ONCE: Final = 1000
_received_at_ms = attrgetter("received_at_ms")


class Wanted(NamedTuple):
    """Of one project or of all; and with `column` equal to `value`, unless that is None."""

    project_id: str | None
    column: str
    value: str | None


def read_records(directory: Path, kind: str, record: type[E], wanted: Wanted) -> Iterator[E]:
    """By the time they were received, a day at a time."""
    with ExitStack() as stack:
        runs = [
            _of_lake(
                stack.enter_context(open_lake(directory, each)), EventKind(kind), record, wanted
            )
            for each in _projects(directory, wanted.project_id)
        ]
        yield from merge(*runs, key=_received_at_ms)


def read_records_of(
    directory: Path,
    kind: str,
    record: type[E],
    project_id: str,
    columns: Sequence[str],
    whose: Whose,
) -> Iterator[E]:
    """Those with one of the ids in one of the columns, by the time they were received."""
    theirs = " OR ".join(map(_is_theirs, columns))
    with open_lake(directory, project_id) as lake:
        lake.connection.execute(
            f"{_select(EventKind(kind))} FROM {kind} WHERE {theirs} ORDER BY received_at, event_id",
            {"ids": list(whose.ids)}
            | ({"by_account": list(whose.by_account)} if UNIT in columns else {}),
        )
        yield from _fetched(lake.connection, record)


def _is_theirs(column: str) -> str:
    theirs = f"list_contains($ids, {column})"
    if column != UNIT:
        return theirs
    return f"{theirs} AND NOT list_contains($by_account::VARCHAR[], experiment_id)"


def count_groups(
    directory: Path, *, experiment_key: str | None, project_id: str | None
) -> dict[tuple[str, str, str], int]:
    """How many exposures each experiment, variant and reason has."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for each in _projects(directory, project_id):
        with open_lake(directory, each) as lake:
            rows = lake.connection.execute(
                "SELECT experiment_key, variant_key, reason, count(*) FROM exposures"
                " WHERE $1 IS NULL OR experiment_key = $1 GROUP BY 1, 2, 3",
                [experiment_key],
            ).fetchall()
        for *group, number in rows:
            experiment, variant, reason = group
            counts[experiment, variant, reason] += number
    return dict(counts)


def highest_manifest_version(directory: Path, project_id: str, limit: int) -> int | None:
    """Of exposures that this server or a holder of an API key recorded, up to `limit`."""
    with open_lake(directory, project_id) as lake:
        row = lake.connection.execute(
            "SELECT max(manifest_version) FROM exposures"
            " WHERE trust = 'server' AND manifest_version <= ?",
            [limit],
        ).fetchone()
    return None if row is None else row[0]


def _projects(directory: Path, project_id: str | None) -> list[str]:
    if project_id is not None:
        return [project_id]
    # The tail first, as in `open_lake`.
    return sorted({*projects_of_tail(directory), *projects_in(directory)})


def _of_lake(lake: Lake, kind: EventKind, record: type[E], wanted: Wanted) -> Iterator[E]:
    """Sorting a day at a time needs little room, however long the log is."""
    chosen = "TRUE" if wanted.value is None else f"{wanted.column} = {quoted(wanted.value)}"
    for day in _days(lake, kind):
        of_tail = f"SELECT * FROM tail_{kind} WHERE CAST(received_at AS DATE) = DATE '{day}'"  # noqa: S608
        paths = lake.files[kind].get(day)
        of_files = f"SELECT {kind.column_list} FROM {files_relation(paths)}" if paths else ""  # noqa: S608
        rows = f"{of_files} UNION ALL {of_tail}" if paths else of_tail
        lake.connection.execute(
            f"{_select(kind)} FROM ({rows}) WHERE {chosen} ORDER BY received_at, event_id"
        )
        yield from _fetched(lake.connection, record)


def _days(lake: Lake, kind: EventKind) -> list[date]:
    rows = lake.connection.execute(
        f"SELECT DISTINCT CAST(received_at AS DATE) FROM tail_{kind}"  # noqa: S608 - our name
    ).fetchall()
    return sorted({day for (day,) in rows} | set(lake.files[kind]))


def _select(kind: EventKind) -> str:
    """The fields of the records."""
    fields = (
        f"epoch_ms({name.removesuffix('_ms')})" if name.endswith("_at_ms") else name
        for name in kind.record.__struct_fields__
    )
    return f"SELECT {', '.join(fields)}"


def _fetched(connection: "DuckDBPyConnection", record: type[E]) -> Iterator[E]:
    names = record.__struct_fields__
    decode = msgspec.json.Decoder().decode
    while rows := connection.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            fields: dict[str, Any] = {
                name: value for name, value in zip(names, row, strict=True) if value is not None
            }
            if "properties" in fields:
                fields["properties"] = decode(fields["properties"])
            if record is Conversion:
                fields.setdefault("value", None)
            yield msgspec.convert(fields, record)
