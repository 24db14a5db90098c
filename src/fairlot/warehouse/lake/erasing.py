"""Deleting what the Parquet files hold of subjects: files that hold something of them are written
anew without it.

It is done after the workers' files are, and while no compaction is under way: what one of these
has taken out of a worker's file before is in a Parquet file by then.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fairlot.warehouse.erasing import Digest, Erasure, Meant
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.layout import has_files, partial_files, partitions_in
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.lake.readable import damage_of, files_relation, places_in, problem_of
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.writing import put, sync
from fairlot.warehouse.whose import UNIT

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LEDGER: Final = "lake-erased.json"
_ROWS_AT_ONCE: Final = 10_000
_MEMORY_LIMIT: Final = "512MB"
_NAMES: Final = {
    EventKind.EXPOSURES: ("subject_id", UNIT),
    EventKind.CONVERSIONS: ("subject_id",),
    EventKind.IDENTITIES: ("subject_id", "user_id"),
}


class _Ledger(msgspec.Struct, frozen=True):
    """The ids of the deletions that were made, and the files that could not be read then."""

    erased: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def is_erased_in_lake(directory: Path, deletion_ids: Sequence[str]) -> bool:
    return not directory.exists() or set(deletion_ids) <= set(_read(directory).erased)


def unreadable_at_erasure(directory: Path) -> list[Path]:
    """The files that may still hold something of the deleted, as far as they are still there."""
    paths = (directory / each for each in _read(directory).unreadable)
    return [path for path in paths if path.exists()]


def erase_in_lake(
    directory: Path, erasures: Sequence[Erasure], digest_of: Digest, *, since: str
) -> bool:
    """Make all of them that were not, and note them; notes of lower ids than `since` are dropped.
    False while somebody else writes to the lake. Raises OSError and UnusableLogFile."""
    with writing(directory) as alone:
        if not alone:
            return False
        known = _read(directory)
        wanted = [each for each in erasures if each.id not in known.erased]
        for path in partial_files(directory):
            path.unlink()
        unreadable = set(known.unreadable)
        if has_files(directory):
            found = _erase(directory, wanted, digest_of)
            unreadable |= {path.relative_to(directory).as_posix() for path in found}
        erased = {each for each in known.erased if each >= since} | {each.id for each in wanted}
        _write(directory, _Ledger(tuple(sorted(erased)), tuple(sorted(unreadable))))
    return True


def _erase(directory: Path, erasures: Sequence[Erasure], digest_of: Digest) -> list[Path]:
    """The files that cannot be read."""
    unreadable: list[Path] = []
    with open_session(directory, threads=1, memory_limit=_MEMORY_LIMIT) as session:
        for project_id in {each.project_id for each in erasures}:
            meant = Meant([each for each in erasures if each.project_id == project_id], digest_of)
            for kind in EventKind:
                unreadable += [
                    path
                    for path in _all_files(directory, project_id, kind)
                    if not _is_erased_in_file(session, kind, path, meant)
                ]
    return unreadable


def _all_files(directory: Path, project_id: str, kind: EventKind) -> Iterator[Path]:
    """Those too that a joined file stands for."""
    for partition in partitions_in(directory, project_id, kind):
        yield from sorted(partition.folder(directory).glob("*.parquet"))


def _is_erased_in_file(
    session: "DuckDBPyConnection", kind: EventKind, path: Path, meant: Meant
) -> bool:
    """False of a file that cannot be read, at its ends or anywhere else."""
    import duckdb  # slow to import, and few need it

    if problem_of(session, kind, [path]) is not None:
        return False
    try:
        _erase_in_file(session, kind, path, meant)
    except (duckdb.Error, UnusableLogFile):
        if damage_of(session, kind, path) is None:
            raise
        return False
    return True


def _erase_in_file(
    session: "DuckDBPyConnection", kind: EventKind, path: Path, meant: Meant
) -> None:
    found = list(_meant_in(session, kind, path, meant))
    if not found:
        return
    session.execute("CREATE OR REPLACE TEMP TABLE meant (name VARCHAR, until_ms BIGINT)")
    session.executemany("INSERT INTO meant VALUES (?, ?)", found)
    session.execute("CREATE OR REPLACE TEMP TABLE by_account (id VARCHAR)")
    if meant.by_account:
        ids = [(each,) for each in sorted(meant.by_account)]
        session.executemany("INSERT INTO by_account VALUES (?)", ids)
    names = " OR ".join(_is_meant(column) for column in _NAMES[kind])
    put(
        session,
        f"SELECT {kind.column_list} FROM {files_relation([path])} AS held WHERE NOT EXISTS"  # noqa: S608
        f" (SELECT 1 FROM meant WHERE ({names}) AND epoch_ms(held.received_at) < meant.until_ms)",
        path,
        places_in(session, [path]).get(path),
    )


def _is_meant(column: str) -> str:
    if column != UNIT:
        return f"meant.name = held.{column}"
    of_subjects = "held.experiment_id NOT IN (SELECT id FROM by_account)"
    return f"meant.name = held.{UNIT} AND {of_subjects}"


def _meant_in(
    session: "DuckDBPyConnection", kind: EventKind, path: Path, meant: Meant
) -> Iterator[tuple[str, int]]:
    """Ids of the deleted, and until when what is received of them goes too."""
    names = f"unnest([{', '.join(_NAMES[kind])}])"
    session.execute(f"SELECT DISTINCT {names} FROM {files_relation([path])}")  # noqa: S608
    while rows := session.fetchmany(_ROWS_AT_ONCE):
        for (name,) in rows:
            until_ms = meant.until_ms_of(name)
            if until_ms:
                yield name, until_ms


def _read(directory: Path) -> _Ledger:
    try:
        return msgspec.json.decode((directory / _LEDGER).read_bytes(), type=_Ledger)
    except (OSError, msgspec.MsgspecError):
        return _Ledger()


def _write(directory: Path, ledger: _Ledger) -> None:
    draft = directory / f".{_LEDGER}.partial"
    draft.write_bytes(msgspec.json.encode(ledger))
    sync(draft)
    draft.replace(directory / _LEDGER)
    sync(directory)
