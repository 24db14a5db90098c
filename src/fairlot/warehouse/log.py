"""The embedded event log of one worker process."""

import os
import sqlite3
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from fairlot.events import Assignment, Exposure, ReceivedBatch
from fairlot.logs import get_logger
from fairlot.warehouse.errors import LogTrouble, LogUnavailable, UnusableLogFile
from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.queue import LogStats, RecordQueue
from fairlot.warehouse.readers import (
    AssignmentReaders,
    ExposureGroup,
    count_exposures,
    read_conversions,
    read_exposures,
    read_identities,
)
from fairlot.warehouse.senders import SenderFigures, read_senders
from fairlot.warehouse.slots import Slot, claim_slot
from fairlot.warehouse.writer import LogWriter

__all__ = [
    "EventLog",
    "ExposureGroup",
    "LogStats",
    "LogTrouble",
    "LogUnavailable",
    "SenderFigures",
    "UnusableLogFile",
    "count_exposures",
    "read_conversions",
    "read_exposures",
    "read_identities",
    "read_senders",
]

_LAST_TRY_S = 0.2
_FLUSH_PAUSE_S = 0.005
_log = get_logger()


class EventLog:
    """`record` from any thread, `committed` from any event loop; one log per process.

    A ticket for which `committed` returned survives the process being killed and the power
    failing. What was accepted while commits fail stays queued and is retried until `close`.
    """

    def __init__(self, slot: Slot, file: LogFile, queue_bound: int, gather_s: float) -> None:
        self.path = slot.path
        self._slot = slot
        self._file = file
        self._closed = False
        self._queue = RecordQueue(queue_bound)
        self._readers = AssignmentReaders(slot.path.parent)
        self._writer = LogWriter(self._queue, file, gather_s)
        _open_logs.add(self)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        queue_bound: int = 100_000,
        gather_s: float = 0.004,
        max_pages: int | None = None,
    ) -> "EventLog":
        """Claim the lowest free worker file of `directory`, which is made if it is not there.

        `queue_bound` is how many records may wait, large ones counted as `weight_of` does,
        `gather_s` how long the first of them waits for company, `max_pages` caps the file at so
        many pages of 4 KiB.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            slot = claim_slot(directory)
        except OSError as error:
            raise UnusableLogFile(directory, f"cannot be written ({error})") from error
        try:
            file = LogFile(slot.path, max_pages)
        except BaseException as error:
            slot.release()
            if isinstance(error, sqlite3.Error):
                raise UnusableLogFile(slot.path, f"cannot be opened ({error})") from error
            raise
        return cls(slot, file, queue_bound, gather_s)

    @property
    def usable(self) -> bool:
        """False while commits fail, and after `close` or in a forked child."""
        return self._queue.refusal is None

    @property
    def stats(self) -> LogStats:
        return self._queue.stats()

    def record(self, exposure: Exposure | None, assignment: Assignment | None) -> int:
        """Queue both for the next commit and return the ticket to wait for; never blocks.

        Raises LogUnavailable, with nothing queued, while the queue is full or commits fail.
        """
        return self._queue.put(exposure, assignment)

    def record_all(self, exposures: Sequence[Exposure], assignments: Sequence[Assignment]) -> int:
        """Queue all of them or none, as `record` otherwise."""
        return self._queue.put_all(exposures, assignments)

    def record_batch(self, batch: ReceivedBatch) -> int:
        """Queue a batch for the next commit, which takes all of it or nothing, and return its
        ticket; as `record` otherwise."""
        return self._queue.put_batch(batch)

    async def committed(self, ticket: int) -> None:
        """Return once that ticket is durable; raise LogUnavailable when its commit failed.

        After a failure the record is still queued, and may become durable later.
        """
        await self._queue.committed(ticket)

    def stored_assignments(self, experiment_id: str, unit_id: str) -> list[Assignment]:
        """What any worker assigned, queued answers included; earliest first."""
        if self._queue.refusal is LogTrouble.FORKED:
            raise LogUnavailable(LogTrouble.FORKED)
        pending = self._queue.pending((experiment_id, unit_id))
        found = self._readers.lookup(experiment_id, unit_id)
        if pending is not None:
            ours = found.get(self.path)
            if ours is None or ours.variant_key != pending.variant_key:
                found[self.path] = pending
        return sorted(found.values(), key=_assigned_at_ms)

    def flush(self, timeout_s: float) -> bool:
        """Whether all that was accepted before is on disk; waits for it so long at most."""
        give_up_at = time.monotonic() + timeout_s
        stats = self._queue.stats()
        accepted = stats.committed + stats.queued
        while self._queue.stats().committed < accepted:
            if time.monotonic() > give_up_at:
                return False
            time.sleep(_FLUSH_PAUSE_S)
        return True

    def forget_answers(self) -> None:
        """Do not take answers for recorded that were: some are deleted."""
        self._writer.forget_answers()

    def cap_pages(self, max_pages: int | None) -> None:
        """Another cap, or none; it holds from the next time that the file is opened.

        A log that has reached its cap opens its file anew at each retry.
        """
        self._file.max_pages = max_pages

    def close(self, timeout_s: float) -> None:
        """Write what is queued, for `timeout_s` at most, and let the file go.

        What could not be written by then is lost and its number is logged.
        """
        if self._closed or self._queue.refusal is LogTrouble.FORKED:
            return
        self._closed = True
        _open_logs.discard(self)
        self._queue.close()
        ended = self._writer.join(timeout_s)
        self._writer.give_up = True
        self._queue.close()
        ended = ended or self._writer.join(_LAST_TRY_S)
        self._queue.end()
        left = self._queue.stats().queued
        if left:
            _log.error("event_log.closed_with_records_queued", queued=left)
        self._readers.close()
        if ended:  # else the thread still holds the file: its slot ends with the process
            self._file.close()
            self._slot.release()

    def refuse_in_child(self) -> None:
        """After a fork: SQLite's connections and the writer thread belong to the parent.

        The child's copy of the lock is closed, so that the slot is free when the parent ends.
        """
        self._queue.refusal = LogTrouble.FORKED
        self._slot.release()
        _inherited.append(self)


_open_logs: weakref.WeakSet[EventLog] = weakref.WeakSet()
# Kept, because a connection that is collected in the child would be closed there.
_inherited: list[EventLog] = []


def _refuse_all_in_child() -> None:
    for log in list(_open_logs):
        log.refuse_in_child()


os.register_at_fork(after_in_child=_refuse_all_in_child)


def _assigned_at_ms(assignment: Assignment) -> int:
    return assignment.assigned_at_ms
