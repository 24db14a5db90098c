"""The lake as queries see it: the Parquet files and the uncompacted tail, each event once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from fairlot.warehouse.lake.columns import EventKind, quoted_list
from fairlot.warehouse.lake.layout import files_in, partitions_in
from fairlot.warehouse.lake.locks import reading
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.tail import load_tail

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REPEATED_WITHIN: Final = timedelta(days=30)
"""How long an event id is looked for before the event of the same id counts again."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file of the lake that is left out."""

    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class Lake:
    """`connection` has the relations `exposures`, `conversions` and `identities` of a project with
    their public columns; it is closed with the lake."""

    connection: "DuckDBPyConnection"
    unreadable: tuple[UnreadableFile, ...]


@contextmanager
def open_lake(
    directory: Path,
    project_id: str,
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_directory: Path | None = None,
) -> Iterator[Lake]:
    """The events of a project as they are now; what is recorded or compacted meanwhile changes
    nothing. A directory that is not there holds none. Raises UnusableLogFile."""
    with (
        reading(directory),
        open_session(
            threads=threads, memory_limit=memory_limit, temp_directory=temp_directory
        ) as session,
    ):
        # The tail first: what moves into a file in between is there twice, and never nowhere.
        has_tail = load_tail(session, directory, project_id, temp_directory)
        unreadable: list[UnreadableFile] = []
        for kind in EventKind:
            by_day = {
                each.day: files_in(directory, each)
                for each in partitions_in(directory, project_id, kind)
            }
            _drop_unreadable(session, kind, by_day, unreadable)
            if has_tail[kind]:
                drop_known(session, f"tail_{kind}", by_day)
            _make_view(session, kind, [path for paths in by_day.values() for path in paths])
        for each in unreadable:
            _log.warning("lake.file_unreadable", file=str(each.path), problem=each.problem)
        yield Lake(session, tuple(unreadable))


def drop_known(
    session: "DuckDBPyConnection", table: str, files_by_day: dict[date, list[Path]]
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


def files_relation(paths: Sequence[Path]) -> str:
    return f"read_parquet({quoted_list(paths)}, union_by_name = true, hive_partitioning = false)"


def problem_of(session: "DuckDBPyConnection", kind: EventKind, paths: Sequence[Path]) -> str | None:
    """Why files cannot be read, as far as their ends say; None when they can."""
    import duckdb

    try:
        found = session.execute(
            f"DESCRIBE SELECT {kind.column_list} FROM {files_relation(paths)}"  # noqa: S608
        ).fetchall()
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    types = {name: sql_type for name, sql_type, *_ in found}
    wrong = [name for name, sql_type in kind.columns.items() if types[name] != sql_type]
    return f"columns of another type: {', '.join(wrong)}" if wrong else None


def _drop_unreadable(
    session: "DuckDBPyConnection",
    kind: EventKind,
    files_by_day: dict[date, list[Path]],
    unreadable: list[UnreadableFile],
) -> None:
    every = [path for paths in files_by_day.values() for path in paths]
    if not every or problem_of(session, kind, every) is None:
        return
    for paths in files_by_day.values():
        for path in list(paths):
            problem = problem_of(session, kind, [path])
            if problem is not None:
                unreadable.append(UnreadableFile(path, problem))
                paths.remove(path)


def _make_view(session: "DuckDBPyConnection", kind: EventKind, paths: Sequence[Path]) -> None:
    columns = kind.column_list
    select = f"SELECT {columns} FROM tail_{kind}"  # noqa: S608 - names of ours
    if paths:
        select = f"SELECT {columns} FROM {files_relation(paths)} UNION ALL {select}"  # noqa: S608
    session.execute(f"CREATE VIEW {kind} AS {select}")
