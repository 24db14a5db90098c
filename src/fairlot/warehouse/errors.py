"""What can be wrong with the event log."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from fairlot.engine.errors import FairlotError


class LogTrouble(StrEnum):
    """Why the log accepts nothing at the moment."""

    FULL = "full"
    FAILED = "failed"
    CLOSED = "closed"
    FORKED = "forked"
    UNSTORABLE = "unstorable"


_WHAT_TO_DO = {
    LogTrouble.FULL: "too many records wait to be written; try again in a moment",
    LogTrouble.FAILED: "the last commit failed and is being retried; free disk space or look at the"
    " log of this process, then try again",
    LogTrouble.CLOSED: "it is closed; open another one",
    LogTrouble.FORKED: "it was opened before this process was forked; open it in the child",
    LogTrouble.UNSTORABLE: "a record of this commit cannot be stored; look at the log of this"
    " process for its id",
}


class LogUnavailable(FairlotError):
    """The log does not accept a record, or could not commit it; nothing was acknowledged."""

    code = "log_unavailable"

    def __init__(self, reason: LogTrouble) -> None:
        self.reason = reason
        super().__init__(f"event log ({reason.value}): {_WHAT_TO_DO[reason]}")


class UnusableLogFile(FairlotError):
    """A file of the log that this version cannot use; it is left as it is."""

    code = "log_file_unusable"

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class DamagedLake(FairlotError):
    """Parquet files that turned out to be damaged while they were read. Whoever asks again is
    answered without them."""

    code = "lake_damaged"

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        names = ", ".join(map(str, paths))
        super().__init__(
            f"{names}: damaged, and left out from now on; restore or delete it, or ask again"
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """What SQLite says of a file that is read, as UnusableLogFile."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UnusableLogFile(path, f"cannot be read ({error}); restore or remove it") from error
