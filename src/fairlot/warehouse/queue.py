"""What was accepted and is not yet durable, between the callers and the writer thread."""

import threading
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fairlot.events import Assignment, Exposure, ReceivedBatch
from fairlot.warehouse.errors import LogTrouble, LogUnavailable
from fairlot.warehouse.weights import weight_of, weight_of_all, weight_of_batch

COMMIT_WEIGHT: Final = 10_000
"""From so much on another commit takes what comes: who waits for the first records of a long queue
does not wait for the last, nor does who waits for the file."""


@dataclass(frozen=True, slots=True)
class LogStats:
    """`queued` waits for its commit; `failed` counts commits that did not go through, each retry
    anew; `unstorable` counts records dropped because no retry could ever write them, and
    `repeated_batches` those received batches that this worker's file had already."""

    queued: int
    committed: int
    failed: int
    unstorable: int
    repeated_batches: int


class Batch:
    """What one commit takes; of equal answers for a unit only the first is kept."""

    __slots__ = ("assignments", "exposures", "last_ticket", "received", "weight")

    def __init__(self) -> None:
        self.exposures: list[Exposure] = []
        self.assignments: dict[tuple[str, str], Assignment] = {}
        self.received: list[ReceivedBatch] = []
        self.last_ticket = 0
        self.weight = 0

    def remember(self, assignment: Assignment) -> None:
        unit = (assignment.experiment_id, assignment.unit_id)
        earlier = self.assignments.get(unit)
        if earlier is None or earlier.variant_key != assignment.variant_key:
            self.assignments[unit] = assignment


Waiter = tuple[int, AbstractEventLoop, "Future[None]"]


class RecordQueue:
    """Tickets count the accepted records, so one number says what is durable. The bound is of their
    weight; an empty queue takes anything.

    Locks are never held while anything is written. `refusal` is why nothing is accepted, if so.
    """

    def __init__(self, bound: int) -> None:
        self.refusal: LogTrouble | None = None
        self.closing = False
        self._bound = bound
        self._lock = threading.Lock()
        self._wake_up = threading.Condition(self._lock)
        self._ended = False
        self._waiting = deque([Batch()])
        self._taken = Batch()
        self._weight = 0
        self._waiters: list[Waiter] = []
        self._accepted = self._committed = self._failed = self._unstorable = 0
        self._repeated_batches = 0

    def put(self, exposure: Exposure | None, assignment: Assignment | None) -> int:
        """The ticket of what was queued. This runs on the event loop once a request."""
        if self.refusal is not None:
            raise LogUnavailable(self.refusal)
        weight = 1 if exposure is None else weight_of(exposure)
        with self._lock:
            batch = self._with_room(1, weight, self._bound)
            if exposure is not None:
                batch.exposures.append(exposure)
            if assignment is not None:
                batch.remember(assignment)
            return self._accepted

    def put_all(self, exposures: Sequence[Exposure], assignments: Sequence[Assignment]) -> int:
        """The ticket of the last of one answer's records; all of them are queued or none."""
        if self.refusal is not None:
            raise LogUnavailable(self.refusal)
        weight = weight_of_all(exposures) + len(assignments)
        with self._lock:
            records = max(1, len(exposures) + len(assignments))
            batch = self._with_room(records, weight, self._bound)
            batch.exposures.extend(exposures)
            for assignment in assignments:
                batch.remember(assignment)
            return self._accepted

    def put_batch(self, received: ReceivedBatch) -> int:
        """The ticket of all of it. Batches may fill half of the queue, so that they cannot keep
        answers from being recorded."""
        if self.refusal is not None:
            raise LogUnavailable(self.refusal)
        weight = weight_of_batch(received)
        with self._lock:
            batch = self._with_room(max(1, received.accepted), weight, self._bound // 2)
            batch.received.append(received)
            return self._accepted

    def _with_room(self, records: int, weight: int, bound: int) -> Batch:
        """Where to put so many records, which are accepted then; under the lock. Raises
        LogUnavailable."""
        if self._weight and self._weight + weight > bound:
            raise LogUnavailable(LogTrouble.FULL)
        if self._accepted == self._taken.last_ticket:  # the writer may be asleep
            self._wake_up.notify()
        batch = self._waiting[-1]
        if batch.weight >= COMMIT_WEIGHT:
            batch = Batch()
            self._waiting.append(batch)
        self._accepted += records
        batch.last_ticket = self._accepted
        batch.weight += weight
        self._weight += weight
        return batch

    async def committed(self, ticket: int) -> None:
        if ticket <= self._committed:
            return
        if self.refusal is LogTrouble.FORKED:
            raise LogUnavailable(self.refusal)
        loop = get_running_loop()
        with self._lock:
            if ticket <= self._committed:
                return
            if self.refusal is not None and (self._ended or self.refusal is LogTrouble.FAILED):
                raise LogUnavailable(self.refusal)
            future: Future[None] = loop.create_future()
            self._waiters.append((ticket, loop, future))
        await future

    def pending(self, unit: tuple[str, str]) -> Assignment | None:
        """The latest answer for a unit that is not yet known to be in the file."""
        with self._lock:
            for batch in (*reversed(self._waiting), self._taken):
                if unit in batch.assignments:
                    return batch.assignments[unit]
            return None

    def stats(self) -> LogStats:
        with self._lock:
            queued = self._accepted - self._committed
            return LogStats(
                queued, self._committed, self._failed, self._unstorable, self._repeated_batches
            )

    def someone_waits(self) -> bool:
        return bool(self._waiters)

    def length(self) -> int:
        return self._accepted - self._committed

    def wait_for_records(self) -> bool:
        """Sleep until there is something to write; False once closing with nothing left."""
        with self._lock:
            while self._accepted == self._taken.last_ticket and not self.closing:
                self._wake_up.wait()
            return self._accepted > self._taken.last_ticket

    def nap(self, seconds: float) -> None:
        """Sleep; `close` cuts it short."""
        with self._lock:
            self._wake_up.wait(seconds)

    def take(self) -> Batch:
        """The oldest that `wait_for_records` waited for; it stays visible to `pending` until it is
        durable."""
        with self._lock:
            self._taken = self._waiting.popleft()
            if not self._waiting:
                self._waiting.append(Batch())
            return self._taken

    def mark_committed(self, batch: Batch, unstorable: int, repeated_batches: int) -> None:
        with self._lock:
            self._committed = batch.last_ticket
            self._weight -= batch.weight
            self._unstorable += unstorable
            self._repeated_batches += repeated_batches
            self._taken = Batch()
            self._taken.last_ticket = batch.last_ticket
            if self.refusal is LogTrouble.FAILED:
                self.refusal = None
            if not self._waiters:
                return
            due = [waiter for waiter in self._waiters if waiter[0] <= batch.last_ticket]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > batch.last_ticket]
        _settle(due, LogTrouble.UNSTORABLE if unstorable else None)

    def mark_failed(self) -> None:
        with self._lock:
            self._failed += 1
            if self.refusal is None:
                self.refusal = LogTrouble.FAILED
        self._refuse_waiters(LogTrouble.FAILED)

    def close(self) -> None:
        """Accept nothing more and wake the writer."""
        with self._lock:
            self.closing = True
            self.refusal = LogTrouble.CLOSED
            self._wake_up.notify()

    def end(self) -> None:
        """After `close`: nothing more will be committed."""
        with self._lock:
            self._ended = True
        self._refuse_waiters(LogTrouble.CLOSED)

    def _refuse_waiters(self, trouble: LogTrouble) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
        _settle(waiters, trouble)


def _settle(waiters: Iterable[Waiter], trouble: LogTrouble | None) -> None:
    """One wake-up of each event loop, however many wait there."""
    by_loop: defaultdict[AbstractEventLoop, list[Future[None]]] = defaultdict(list)
    for _, loop, future in waiters:
        by_loop[loop].append(future)
    for loop, futures in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed while its tasks waited
            loop.call_soon_threadsafe(_resolve, futures, trouble)


def _resolve(futures: list["Future[None]"], trouble: LogTrouble | None) -> None:
    for future in futures:
        if future.done():
            continue
        if trouble is None:
            future.set_result(None)
        else:
            future.set_exception(LogUnavailable(trouble))
