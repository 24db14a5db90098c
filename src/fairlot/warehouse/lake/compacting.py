"""Moving events out of the workers' files into Parquet.

A row is deleted when the file that holds its event is on disk under its name. Whatever happens in
between, the event is in one of the two or in both; who reads takes each id once, and the next
compaction finds that the id is known and only deletes the row. So nothing needs to be noted.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Final

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.files import worker_files
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.known_ids import drop_known
from fairlot.warehouse.lake.layout import partial_files
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.lake.readable import files_relation, readable_files
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.tail import count_of, table_of_lines
from fairlot.warehouse.lake.worker_rows import (
    TakenRows,
    can_be_taken_from,
    drop_rows,
    take_rows,
    what_waits,
)
from fairlot.warehouse.lake.writing import publish

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_AT_ONCE: Final = 200_000
MEMORY_LIMIT: Final = "512MB"
_NEXT_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Compacted:
    """`events` were moved, `repeated` only deleted, since their ids were known; `files` were
    written. `unusable` could not be read or written, and why."""

    events: int = 0
    repeated: int = 0
    files: int = 0
    unusable: dict[Path, str] = field(default_factory=dict)


def is_due(directory: Path, *, now_ms: int, rows: int, age_ms: int) -> bool:
    """Whether so many rows wait, or one that is so old."""
    waiting = what_waits(directory)
    is_old = waiting.oldest_ms is not None and waiting.oldest_ms <= now_ms - age_ms
    return waiting.rows >= rows or is_old


def compact(
    directory: Path,
    *,
    threads: int = 1,
    rows_at_once: int = ROWS_AT_ONCE,
    within_s: float = 0,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Compacted | None:
    """Move all that the workers' files hold; None when somebody else writes to the lake for so
    long. Workers go on writing meanwhile. Raises OSError and UnusableLogFile when Parquet
    cannot be written; then no event is lost, and those that were moved stay so."""
    done = Compacted()
    while True:
        with writing(directory, within_s) as alone:
            if not alone:
                return None
            _remove_partial(directory)
            more_wait = _move_some(directory, done, rows_at_once, threads)
        if not more_wait or is_stopping():
            return done
        within_s = max(within_s, _NEXT_WITHIN_S)


def _remove_partial(directory: Path) -> None:
    for path in partial_files(directory):
        path.unlink()


def _move_some(directory: Path, done: Compacted, rows_at_once: int, threads: int) -> bool:
    """Whether more wait that were there before."""
    paths = _usable(directory, done)
    taken: list[TakenRows] = []
    moved_before = done.events
    with ExitStack() as stack:
        lines = {kind: stack.enter_context(TemporaryFile(dir=directory)) for kind in EventKind}
        quota = max(1, rows_at_once // max(1, len(paths)))
        for path in paths:
            for kind, file in lines.items():
                taken += _taken(path, kind, quota, file, done)
        if not taken:
            return False
        session = stack.enter_context(
            open_session(directory, threads=threads, memory_limit=MEMORY_LIMIT)
        )
        for kind, file in lines.items():
            rows = sum(each.rows for each in taken if each.kind is kind)
            _move_kind(session, directory, kind, file, rows, done)
    done.repeated += sum(each.rows for each in taken) - (done.events - moved_before)
    _drop(taken, done)
    return any(each.more_wait for each in taken)


def _usable(directory: Path, done: Compacted) -> list[Path]:
    found = []
    for path in worker_files(directory):
        try:
            if path not in done.unusable and can_be_taken_from(path):
                found.append(path)
        except UnusableLogFile as error:
            _note_unusable(path, error, done)
    return found


def _taken(
    path: Path, kind: EventKind, quota: int, file: IO[bytes], done: Compacted
) -> list[TakenRows]:
    if path in done.unusable:
        return []
    try:
        return take_rows(path, kind, quota, file)
    except UnusableLogFile as error:
        _note_unusable(path, error, done)
        return []


def _move_kind(
    session: "DuckDBPyConnection",
    directory: Path,
    kind: EventKind,
    lines: IO[bytes],
    rows: int,
    done: Compacted,
) -> None:
    table = f"taken_{kind}"
    read = table_of_lines(session, table, kind, lines)
    _all_arrived(directory, read.lines, rows)
    if not rows:
        return
    projects = session.execute(f"SELECT DISTINCT project_id FROM {table} ORDER BY 1").fetchall()  # noqa: S608
    for (project_id,) in projects:
        session.execute(
            f"CREATE OR REPLACE TABLE of_project AS SELECT * FROM {table} WHERE project_id = ?",  # noqa: S608
            [project_id],
        )
        files, _ = readable_files(session, directory, project_id, kind)
        drop_known(session, directory, kind, "of_project", files)
        new = count_of(session, "of_project")
        written = publish(session, "of_project", directory, project_id, kind)
        _all_arrived(directory, count_of(session, files_relation(written)) if written else 0, new)
        done.files += len(written)
        done.events += new


def _all_arrived(directory: Path, arrived: int, sent: int) -> None:
    """Or else nothing may be deleted. Of a worker's file that is damaged more may arrive than was
    taken: what could be read of it."""
    if arrived < sent:
        problem = f"{arrived} of {sent} events arrived in Parquet; none was deleted in SQLite"
        raise UnusableLogFile(directory, problem)


def _drop(taken: Sequence[TakenRows], done: Compacted) -> None:
    """What cannot be deleted stays, and is found known by the next compaction."""
    for path in dict.fromkeys(each.path for each in taken):
        try:
            drop_rows([each for each in taken if each.path == path])
        except sqlite3.Error as error:
            _note_unusable(path, error, done)


def _note_unusable(path: Path, error: Exception, done: Compacted) -> None:
    done.unusable[path] = str(error)
