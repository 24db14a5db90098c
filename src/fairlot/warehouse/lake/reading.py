"""The lake as queries see it: the Parquet files and the uncompacted tail, each event once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from fairlot.warehouse.errors import DamagedLake
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.damage import may_be_damage, note_damage
from fairlot.warehouse.lake.known_ids import drop_known
from fairlot.warehouse.lake.locks import reading
from fairlot.warehouse.lake.readable import UnreadableFile, files_relation, readable_files
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.tail import load_tail

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Lake:
    """`connection` has the relations `exposures`, `conversions` and `identities` of a project with
    their public columns; it is closed with the lake. `files` are those that are read, by day of
    receipt."""

    connection: "DuckDBPyConnection"
    unreadable: tuple[UnreadableFile, ...]
    files: Mapping[EventKind, Mapping[date, Sequence[Path]]]


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
    nothing. A directory that is not there holds none. Raises UnusableLogFile, and
    DamagedLake in place of an error that a damaged file was the cause of."""
    with (
        reading(directory),
        open_session(
            directory, threads=threads, memory_limit=memory_limit, temp_directory=temp_directory
        ) as session,
    ):
        # The tail first: what moves into a file in between is there twice, and never nowhere.
        has_tail = load_tail(session, directory, project_id, temp_directory)
        left_out: list[UnreadableFile] = []
        files_read = {}
        for kind in EventKind:
            files, unreadable = readable_files(session, directory, project_id, kind)
            if has_tail[kind]:
                files = drop_known(session, directory, kind, f"tail_{kind}", files)
            _make_view(session, kind, [path for paths in files.values() for path in paths])
            left_out += unreadable
            files_read[kind] = files
        with _damage_noted(session, directory, files_read):
            yield Lake(session, tuple(left_out), files_read)


@contextmanager
def _damage_noted(
    session: "DuckDBPyConnection",
    directory: Path,
    files: Mapping[EventKind, Mapping[date, Sequence[Path]]],
) -> Iterator[None]:
    """A query that failed may have come to a damaged page."""
    try:
        yield
    except Exception as error:
        if not may_be_damage(error):
            raise
        damaged: list[Path] = []
        for kind, by_day in files.items():
            paths = (path for some in by_day.values() for path in some)
            damaged += note_damage(session, directory, kind, paths)
        if damaged:
            raise DamagedLake(damaged) from error
        raise


def _make_view(session: "DuckDBPyConnection", kind: EventKind, paths: Sequence[Path]) -> None:
    columns = kind.column_list
    select = f"SELECT {columns} FROM tail_{kind}"  # noqa: S608 - names of ours
    if paths:
        select = f"SELECT {columns} FROM {files_relation(paths)} UNION ALL {select}"  # noqa: S608
    session.execute(f"CREATE VIEW {kind} AS {select}")
