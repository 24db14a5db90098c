"""Parquet files that appear whole, or not at all, and are on disk when they do."""

import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final

import msgspec

from fairlot.events import Event
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake.columns import EventKind, kind_of, quoted
from fairlot.warehouse.lake.layout import (
    PLACE_KEY,
    Numbers,
    Partition,
    next_number,
    note_number,
    partial_of,
    place_of,
)
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.tail import table_of_lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WITHIN_S: Final = 60.0
_OPTIONS: Final = "FORMAT parquet, COMPRESSION zstd"


def write_events(directory: Path, events: Iterable[Event]) -> list[Path]:
    """Put records straight into the lake: one file a project, kind and day. Repeats of what is
    there already are not looked for."""
    written = []
    rows = sorted(events, key=_partition_key)
    with open_session(directory) as session:
        for number, ((kind, project_id), some) in enumerate(groupby(rows, key=_partition_key)):
            table = f"planted_{number}"
            with TemporaryFile() as lines:
                lines.writelines(msgspec.json.encode(each) + b"\n" for each in some)
                table_of_lines(session, table, EventKind(kind), lines)
            written += write_relation(session, table, directory, project_id, EventKind(kind))
    return written


def write_relation(
    session: "DuckDBPyConnection",
    relation: str,
    directory: Path,
    project_id: str,
    kind: EventKind,
) -> list[Path]:
    """Put a table or view with the public columns into the lake of a project, a file a day of
    receipt. Waits for whoever else writes to the lake."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(directory, _WITHIN_S) as alone:
        if not alone:
            raise TimeoutError(f"{directory}: somebody else has written to it for {_WITHIN_S:g} s")
        return publish(session, relation, directory, project_id, kind)


def publish(
    session: "DuckDBPyConnection",
    relation: str,
    directory: Path,
    project_id: str,
    kind: EventKind,
) -> list[Path]:
    """As `write_relation`, of who is the lake's only writer already."""
    days = session.execute(
        f"SELECT DISTINCT CAST(received_at AS DATE) FROM {relation} ORDER BY 1"  # noqa: S608
    ).fetchall()
    written = []
    for (day,) in days:
        select = (
            f"SELECT {kind.column_list} FROM {relation} WHERE project_id = {quoted(project_id)}"  # noqa: S608
            f" AND CAST(received_at AS DATE) = DATE '{day}' ORDER BY received_at, event_id"
        )
        folder = _made(directory, Partition(project_id, kind, day).folder(directory))
        number = next_number(folder)
        path = folder / Numbers(number, number).name
        put(session, select, path)
        note_number(folder, number)
        written.append(path)
    return written


def put(session: "DuckDBPyConnection", select: str, path: Path, place: str | None = None) -> None:
    """Write what a query gives to a file, in place of the one that may be there; as a copy of
    another, if it was written as that."""
    put_partial(session, select, path, place)
    partial_of(path).replace(path)
    sync(path.parent)


def put_partial(
    session: "DuckDBPyConnection", select: str, path: Path, place: str | None = None
) -> None:
    """All but its name. Raises UnusableLogFile."""
    import duckdb  # slow to import, and few need it

    partial = partial_of(path)
    metadata = f"KV_METADATA {{{PLACE_KEY}: {quoted(place or place_of(path))}}}"
    try:
        session.execute(f"COPY ({select}) TO {quoted(partial)} ({_OPTIONS}, {metadata})")
    except duckdb.Error as error:  # whose text may hold what was to be written
        problem = f"cannot be written ({type(error).__name__}); free space on the disk"
        raise UnusableLogFile(path, problem) from error
    partial.chmod(0o600)
    sync(partial)


def sync(path: Path) -> None:
    """A file, or the names in a folder, are on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _made(directory: Path, folder: Path) -> Path:
    """A folder below `directory`, and its name on disk."""
    if not folder.exists():
        for each in (*reversed(folder.relative_to(directory).parents[:-1]), None):
            step = folder if each is None else directory / each
            step.mkdir(mode=0o700, exist_ok=True)
            sync(step.parent)
    return folder


def _partition_key(event: Event) -> tuple[str, str]:
    return kind_of(event).value, event.project_id
