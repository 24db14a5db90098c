"""The uncompacted tail: what is in the workers' files, as DuckDB reads it."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from fairlot.warehouse.errors import explained
from fairlot.warehouse.files import worker_files
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.opening import open_read_only

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS_AT_ONCE: Final = 1000


class Span(NamedTuple):
    """Rows of a table: those after `after`, up to and with `last`."""

    after: int
    last: int


class ReadLines(NamedTuple):
    """How many lines were read, and how many events these are."""

    lines: int
    events: int


def load_tail(
    session: "DuckDBPyConnection",
    directory: Path,
    project_id: str,
    temp_directory: Path | None = None,
) -> dict[EventKind, bool]:
    """A table `tail_<kind>` for each kind, of what all workers' files hold of a project, each event
    id once; whether there is anything in it. Raises UnusableLogFile."""
    found = {}
    with ExitStack() as stack:
        lines = {kind: stack.enter_context(TemporaryFile(dir=temp_directory)) for kind in EventKind}
        for path in worker_files(directory):
            with explained(path), snapshot_of(path) as log:
                for kind, file in lines.items():
                    span = span_of(log, kind)
                    copy_lines(log, kind, span, file, project_id=project_id)
        for kind, file in lines.items():
            found[kind] = table_of_lines(session, f"tail_{kind}", kind, file).events > 0
    return found


def projects_of_tail(directory: Path) -> set[str]:
    """Raises UnusableLogFile."""
    found: set[str] = set()
    for path in worker_files(directory):
        with explained(path), snapshot_of(path) as log:
            for kind in EventKind:
                if has_table(log, kind):
                    project = _project_column(log, kind)
                    rows = log.execute(f"SELECT DISTINCT {project} FROM {kind}")  # noqa: S608
                    found |= {project_id for (project_id,) in rows}
    return found


@contextmanager
def snapshot_of(path: Path) -> Iterator[sqlite3.Connection]:
    """A worker's file as it is at one moment; whoever writes goes on."""
    with closing(open_read_only(path)) as log:
        log.execute("BEGIN")
        yield log


def has_table(log: sqlite3.Connection, table: str) -> bool:
    """A file that is being made, or is of an older schema, has not."""
    found = log.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None


def span_of(log: sqlite3.Connection, kind: EventKind) -> Span:
    if not has_table(log, kind):
        return Span(0, 0)
    # Each by itself is found at once; both in one SELECT read the whole table.
    first, last = log.execute(
        f"SELECT (SELECT min(seq) FROM {kind}), (SELECT max(seq) FROM {kind})"  # noqa: S608 - our name
    ).fetchone()
    return Span(0, 0) if last is None else Span(first - 1, last)


def copy_lines(
    log: sqlite3.Connection,
    kind: EventKind,
    span: Span,
    into: IO[bytes],
    *,
    project_id: str | None = None,
) -> None:
    """The records of a span, of a project or of all, a line each."""
    project = _project_column(log, kind)
    statement = (
        f"SELECT group_concat(CAST(body AS TEXT), char(10)) FROM {kind}"  # noqa: S608 - our names
        f" WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR {project} = ?3)"
    )
    for after in range(span.after, span.last, _ROWS_AT_ONCE):
        last = min(after + _ROWS_AT_ONCE, span.last)
        (lines,) = log.execute(statement, (after, last, project_id)).fetchone()
        if lines is not None:
            into.write(lines.encode() + b"\n")


def table_of_lines(
    session: "DuckDBPyConnection", table: str, kind: EventKind, lines: IO[bytes]
) -> ReadLines:
    """Make a table of the public columns, with each id of a project once, as it was received
    first."""
    lines.flush()
    select = kind.select_json(f"/dev/fd/{lines.fileno()}")
    if lines.tell() == 0:
        session.execute(f"CREATE TABLE {table} ({_column_types(kind.columns)})")
        return ReadLines(0, 0)
    session.execute(f"CREATE TABLE {table} AS {select}")
    read = count_of(session, table)
    session.execute(
        f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} QUALIFY row_number() OVER"  # noqa: S608
        " (PARTITION BY project_id, event_id ORDER BY received_at, rowid) > 1)"
    )
    return ReadLines(read, count_of(session, table))


def count_of(session: "DuckDBPyConnection", table: str) -> int:
    (count,) = session.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)  # noqa: S608
    return int(count)


def _column_types(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _project_column(log: sqlite3.Connection, kind: EventKind) -> str:
    """Files of schema 1 have no column for it."""
    names: Sequence[tuple[object, ...]] = log.execute(f"PRAGMA table_info({kind})").fetchall()
    if any(each[1] == "project_id" for each in names):
        return "project_id"
    return "json_extract(CAST(body AS TEXT), '$.project_id')"
