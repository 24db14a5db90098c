"""The files of the event log of this host, as deletions go through them."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from fairlot.logs import get_logger
from fairlot.profiles import subject_identifier
from fairlot.warehouse import erasing
from fairlot.warehouse.erasing import Erasure, empty_wal, erase, erased_in
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.files import bring_up_to_date, files_set_aside, worker_files
from fairlot.warehouse.lake.erasing import (
    erase_in_lake,
    is_erased_in_lake,
    unreadable_at_erasure,
)
from fairlot.warehouse.slots import claim_file

WAL_WITHIN_S: Final = 1.0
_LAKE: Final = "project=*"
_log = get_logger(__name__)


class Why(StrEnum):
    """Why something of a deleted subject may still be in a file. `NOT_ERASED`: the process that
    holds the file has not come to it. `WAL_NOT_EMPTIED`: its rows are deleted, but somebody reads
    the file, and its write-ahead log holds old pages. Both are finished later. `SET_ASIDE`: the
    file was damaged and renamed; only you can delete it."""

    NOT_ERASED = "not_erased"
    WAL_NOT_EMPTIED = "wal_not_emptied"
    SET_ASIDE = "set_aside"
    UNREADABLE = "unreadable"


FOR_YOU: Final = frozenset({Why.SET_ASIDE, Why.UNREADABLE})
"""What no waiting helps against."""


@dataclass(frozen=True, slots=True)
class Left:
    file: str
    why: Why


class LogFiles:
    """`own` is the file that this process writes, if any; `forget` drops from memory what is kept
    there of events, after some were deleted."""

    def __init__(self, directory: Path, own: Path | None, forget: Callable[[], None]) -> None:
        self._directory = directory
        self._own = own
        self._forget = forget
        self._reported: set[Path] = set()

    def see_to(self, erasures: Sequence[Erasure]) -> bool:
        """Delete from our own file, and from those that no living process holds, and when all of
        them are, from Parquet; whether all is done. A file that cannot be used does not stop the
        others."""
        unusable = set()
        for path in worker_files(self._directory):
            if _is_done(path, erasures):
                continue
            try:
                self._see_to(path, erasures)
            except (sqlite3.Error, OSError, UnusableLogFile) as error:
                if path not in self._reported:
                    _log.error("deletions.file_unusable", file=str(path), problem=str(error))
                self._reported.add(path)
                unusable.add(path)
        in_lake = self._see_to_lake(erasures, unusable)
        return in_lake and all(_is_done(path, erasures) for path in worker_files(self._directory))

    def left_of(self, deletion_id: str) -> list[Left]:
        left = [Left(each.name, Why.SET_ASIDE) for each in files_set_aside(self._directory)]
        for path in worker_files(self._directory):
            emptied = erased_in(path).get(deletion_id)
            if not emptied:
                why = Why.NOT_ERASED if emptied is None else Why.WAL_NOT_EMPTIED
                left.append(Left(path.name, why))
        waits = any(each.why is Why.NOT_ERASED for each in left)
        if not waits and not is_erased_in_lake(self._directory, [deletion_id]):
            left.append(Left(_LAKE, Why.NOT_ERASED))
        damaged = unreadable_at_erasure(self._directory)
        names = (path.relative_to(self._directory).as_posix() for path in damaged)
        return left + [Left(name, Why.UNREADABLE) for name in names]

    def _see_to_lake(self, erasures: Sequence[Erasure], unusable: Collection[Path]) -> bool:
        """After the workers' files, as rows move from these into the lake; out of an unusable one
        none do."""
        if is_erased_in_lake(self._directory, [each.id for each in erasures]):
            return True
        for path in worker_files(self._directory):
            if path not in unusable and not erased_in(path).keys() >= {e.id for e in erasures}:
                return False
        since = min(each.id for each in erasures)
        try:
            return erase_in_lake(self._directory, erasures, _digest_of, since=since)
        except (OSError, UnusableLogFile) as error:
            _log.error("deletions.lake_unusable", problem=str(error))
            return False

    def _see_to(self, path: Path, erasures: Sequence[Erasure]) -> None:
        if path == self._own:
            _erase(path, erasures)
            self._forget()
            return
        slot = claim_file(path)
        if slot is None:
            return
        try:
            bring_up_to_date(path)
            _erase(path, erasures)
        finally:
            slot.release()


def _is_done(path: Path, erasures: Sequence[Erasure]) -> bool:
    known = erased_in(path)
    return all(known.get(each.id, False) for each in erasures)


def _erase(path: Path, erasures: Sequence[Erasure]) -> None:
    known = erased_in(path)
    wanted = [each for each in erasures if each.id not in known]
    if wanted:
        erase(path, wanted, _digest_of, since=min(each.id for each in erasures))
    if empty_wal(path, WAL_WITHIN_S):
        erasing.note_emptied(path)


def _digest_of(subject_id: str) -> bytes:
    return subject_identifier(subject_id).digest()
