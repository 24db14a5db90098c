"""Files whose ends are good and whose middle is not: that is found out when a query comes to it.

Then every file is read whole, and `lake-damaged.json` names those that cannot be; they are left out
from then on, until they are not what they were.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fairlot.warehouse.lake.columns import EventKind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LEDGER: Final = "lake-damaged.json"
_DISK_FULL: Final = os.strerror(errno.ENOSPC)


class _Damaged(msgspec.Struct, frozen=True):
    """`path` is below the directory of the log; the rest tells whether it is still that. Whoever
    puts a file back gives it its old size and time; when its inode changed nobody can give it."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    problem: str


def known_damage(directory: Path) -> dict[Path, str]:
    """The files that are known to be damaged, and how."""
    return {
        directory / each.path: each.problem
        for each in _read(directory)
        if each == _as_it_is(directory, directory / each.path, each.problem)
    }


def may_be_damage(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, is DuckDB's, and not about the query, its
    memory, a full disk or its end."""
    import duckdb  # slow to import, and few need it

    other = (
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.InterruptException,
        duckdb.OutOfMemoryException,
        duckdb.ParserException,
    )
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, duckdb.Error):
        cause = cause.__cause__
    return cause is not None and not isinstance(cause, other) and _DISK_FULL not in str(cause)


def note_damage(
    session: "DuckDBPyConnection", directory: Path, kind: EventKind, paths: Iterable[Path]
) -> dict[Path, str]:
    """Read these files whole, and note those that cannot be, for all who read the lake."""
    from fairlot.warehouse.lake.readable import damage_of

    problems = {path: damage_of(session, kind, path) for path in paths}
    found = {path: problem for path, problem in problems.items() if problem is not None}
    if found:
        known = {each.path: each for each in _read(directory)}
        for path, problem in found.items():
            damaged = _as_it_is(directory, path, problem)
            if damaged is not None:
                known[damaged.path] = damaged
        _write(directory, list(known.values()))
    return found


def _as_it_is(directory: Path, path: Path, problem: str) -> _Damaged | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    name = path.relative_to(directory).as_posix()
    return _Damaged(name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, problem)


def _read(directory: Path) -> list[_Damaged]:
    try:
        return msgspec.json.decode((directory / _LEDGER).read_bytes(), type=list[_Damaged])
    except (OSError, msgspec.MsgspecError):
        return []


def _write(directory: Path, damaged: list[_Damaged]) -> None:
    """Where nothing can be written, each who reads finds it anew."""
    draft = directory / f".{_LEDGER}.partial"
    try:
        draft.write_bytes(msgspec.json.encode(damaged))
        draft.replace(directory / _LEDGER)
    except OSError:
        return
