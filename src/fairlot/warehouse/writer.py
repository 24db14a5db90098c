"""The thread that makes records durable: what waits, many in one transaction."""

import sqlite3
import threading
import time

from fairlot.events import Assignment, Exposure, ReceivedBatch
from fairlot.logs import get_logger
from fairlot.warehouse.log_file import LogFile, is_damage
from fairlot.warehouse.queue import Batch, RecordQueue
from fairlot.warehouse.recent import RecentAnswers

_FIRST_RETRY_S = 0.05
_LONGEST_RETRY_S = 5.0
_COMPANY_ENOUGH = 1000
_UNSTORABLE = (
    TypeError,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

_log = get_logger()


class LogWriter:
    """Writes a queue to a file until the queue is closed and empty, or `give_up` is set.

    A failed commit is retried with growing pauses, on a connection opened anew.
    """

    def __init__(self, queue: RecordQueue, file: LogFile, gather_s: float) -> None:
        self.give_up = False
        self._queue = queue
        self._file = file
        self._gather_s = gather_s
        self._recent = RecentAnswers()
        self._forgets = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"event-log {file.path.stem}", daemon=True
        )
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def forget_answers(self) -> None:
        """Before the next commit."""
        self._forgets = True

    def _run(self) -> None:
        while self._queue.wait_for_records():
            self._gather_company()
            if not self._commit(self._queue.take()):
                return

    def _gather_company(self) -> None:
        """A quarter of the time always; the rest only while nobody waits and few are there."""
        first = self._gather_s / 4
        for pause in (first, self._gather_s - first):
            if self._queue.closing or self._queue.length() >= _COMPANY_ENOUGH:
                return
            time.sleep(pause)
            if self._queue.someone_waits():
                return

    def _commit(self, batch: Batch) -> bool:
        pause_s = _FIRST_RETRY_S
        while not self.give_up:
            try:
                unstorable, repeated = self._write(batch)
            except (sqlite3.Error, OSError) as error:
                self._note_failure(error)
                if not self.give_up:
                    self._queue.nap(_FIRST_RETRY_S if self._queue.closing else pause_s)
                pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
                continue
            if self._failure is not None:
                _log.info("event_log.usable_again", file=str(self._file.path))
            self._failure = None
            self._queue.mark_committed(batch, unstorable, repeated)
            return True
        return False

    def _note_failure(self, error: Exception) -> None:
        first_time = self._failure is None
        self._failure = error
        self._queue.mark_failed()
        if first_time:
            _log.error("event_log.commit_failed", file=str(self._file.path), problem=str(error))

    def _write(self, batch: Batch) -> tuple[int, int]:
        """Commit the batch; how many of its records no retry could ever write, and how many
        received batches were known."""
        if self._failure is not None:
            self._recent.forget()
            self._file.reopen(damaged=is_damage(self._failure))
        if self._forgets:
            self._forgets = False
            self._recent.forget()
        assignments = self._recent.unseen(batch.assignments.values())
        unstorable = 0
        try:
            repeated = self._file.append(batch.exposures, assignments, batch.received)
        except _UNSTORABLE:
            unstorable, repeated = self._write_one_by_one(batch, assignments)
        self._recent.remember(assignments)
        return unstorable, repeated

    def _write_one_by_one(self, batch: Batch, assignments: list[Assignment]) -> tuple[int, int]:
        alone: list[tuple[list[Exposure], list[Assignment], list[ReceivedBatch]]] = [
            *(([one], [], []) for one in batch.exposures),
            *(([], [one], []) for one in assignments),
            *(([], [], [one]) for one in batch.received),
        ]
        refused = repeated = 0
        for exposures, others, received in alone:
            try:
                repeated += self._file.append(exposures, others, received)
            except _UNSTORABLE as error:
                refused += 1
                _log.error(
                    "event_log.record_unstorable",
                    event_ids=[one.event_id for one in exposures],
                    batches=[(one.sender_id, one.batch_seq) for one in received],
                    problem=type(error).__name__,
                )
        return refused, repeated
