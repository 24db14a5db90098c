"""Making one file of many, and deleting whole files.

A joined file is named for all that it stands for, so whoever lists the folder passes those over.
It gets its name, and they are deleted, while nobody reads the lake.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake.damage import may_be_damage, note_damage
from fairlot.warehouse.lake.gone import count_gone, note_gone
from fairlot.warehouse.lake.layout import (
    Numbers,
    Partition,
    all_partitions,
    counting_files,
    files_in,
    numbers_of,
    partial_of,
)
from fairlot.warehouse.lake.locks import removing, writing
from fairlot.warehouse.lake.readable import files_relation, problems_of
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.writing import put_partial, sync

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_JOINED_BYTES: Final = 256 << 20
_FILES_OF_TODAY: Final = 24
_MEMORY_LIMIT: Final = "512MB"
_ALONE_WITHIN_S: Final = 2.0


def join_files(directory: Path, *, now_ms: int, threads: int = 1) -> int:
    """Join the files of each day that is over, and of today when they are many, to files of some
    256 MiB; how many are gone. While somebody reads or writes the lake, it is left for later."""
    joined = 0
    today = _day_of(now_ms)
    for partition in list(all_partitions(directory)):
        with writing(directory) as alone:
            if alone:
                enough = 2 if partition.day < today else _FILES_OF_TODAY
                joined += _join(directory, partition, enough, threads)
    return joined


def delete_old_files(directory: Path, *, now_ms: int, days: int) -> int:
    """Delete the folders of days that are longer ago, and note what of experiments was in them; how
    many files that were. While somebody reads or writes the lake, it is left for later."""
    first_kept = _day_of(now_ms) - timedelta(days=days)
    old = [each for each in all_partitions(directory) if each.day < first_kept]
    if not old:
        return 0
    with writing(directory) as alone:
        if not alone:
            return 0
        gone = count_gone(directory, old)  # takes long, and disturbs no reader
        with removing(directory, _ALONE_WITHIN_S) as unread:
            if not unread:
                return 0
            note_gone(directory, gone)
            return sum(_delete(each.folder(directory)) for each in old)


def _join(directory: Path, partition: Partition, enough: int, threads: int) -> int:
    paths = files_in(directory, partition)
    if len(paths) < 2 or (len(paths) < enough and counting_files(paths, paths) == paths):
        return 0
    gone = 0
    with open_session(directory, threads=threads, memory_limit=_MEMORY_LIMIT) as session:
        problems = problems_of(session, directory, partition.kind, paths)
        files = counting_files(paths, [path for path in paths if path not in problems])
        _remove(directory, [path for path in paths if path not in files])
        if len(files) >= enough:
            for run in _runs(files, problems):
                gone += _join_run(session, directory, partition, run)
    return gone


def _runs(files: Sequence[Path], problems: Collection[Path]) -> Iterator[list[Path]]:
    """Neighbours that fit into one file. Between them is none that cannot be read, and none that
    is away and may be put back: a name that stands for that one too would hide it."""
    run: list[Path] = []
    size = 0
    for path in files:
        length = path.stat().st_size
        sound = path not in problems
        if not sound or size + length > _JOINED_BYTES or (run and not _follows(path, run[-1])):
            yield from [run] if len(run) > 1 else []
            run, size = [], 0
        if sound:
            run.append(path)
            size += length
    if len(run) > 1:
        yield run


def _follows(path: Path, earlier: Path) -> bool:
    numbers, before = numbers_of(path), numbers_of(earlier)
    return numbers is not None and before is not None and numbers.first == before.last + 1


def _join_run(
    session: "DuckDBPyConnection", directory: Path, partition: Partition, run: Sequence[Path]
) -> int:
    ranges = [numbers for path in run if (numbers := numbers_of(path)) is not None]
    joined = run[0].with_name(Numbers(ranges[0].first, ranges[-1].last).name)
    select = f"SELECT {partition.kind.column_list} FROM {files_relation(run)}"  # noqa: S608
    try:
        put_partial(session, f"{select} ORDER BY received_at, event_id", joined)
    except UnusableLogFile as error:
        if not may_be_damage(error) or not note_damage(session, directory, partition.kind, run):
            raise
        return 0  # the next time around them
    with removing(directory, _ALONE_WITHIN_S) as unread:
        if not unread:
            partial_of(joined).unlink()
            return 0
        partial_of(joined).replace(joined)
        sync(joined.parent)
        for path in run:
            path.unlink()
    return len(run) - 1


def _remove(directory: Path, paths: Sequence[Path]) -> None:
    """What a crash left of files that another stands for."""
    if paths:
        with removing(directory) as unread:
            for path in paths if unread else ():
                path.unlink()


def _delete(folder: Path) -> int:
    paths = list(folder.iterdir())
    for path in paths:
        path.unlink()
    folder.rmdir()
    sync(folder.parent)
    return sum(path.suffix == ".parquet" for path in paths)


def _day_of(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()
