"""Events that wait for the server: a bounded queue, the numbered batches made of it, the counts.

Nothing here talks, waits or looks at a clock. The lock is held for a few instructions, and may be
taken again by its holder: a signal handler or a finalizer may record an event too.
"""

import math
import threading
import uuid
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from fairlot.events.sent import MAX_EVENTS, SentBatch, SentEvent
from fairlot.sdk.event_answers import EventsRejected
from fairlot.sdk.repeats import RepeatKey, Repeats, repeat_key

MOST_ROWS: Final = MAX_EVENTS
MOST_BYTES: Final = 900_000
COMPANY_S: Final = 1.0
ENOUGH_ROWS: Final = 500
_BYTES_PER_EVENT: Final = 4096
_LEAST_BOUND_BYTES: Final = 1024 * 1024
_PROBLEMS_KEPT: Final = 8


class Row(msgspec.Struct, frozen=True, gc=False):
    """`number` counts the events that were ever queued; `text` is the event as it will travel, so
    what is changed in its properties later does not matter."""

    number: int
    key: RepeatKey | None
    text: bytes


class Batch:
    """Rows under one number. It is sent again byte for byte until somebody answers."""

    __slots__ = ("_body", "rows", "sent")

    def __init__(self, sent: SentBatch, rows: tuple[Row, ...]) -> None:
        self.sent = sent
        self.rows = rows
        self._body: bytes | None = None

    @property
    def body(self) -> bytes:
        if self._body is None:
            texts = tuple(msgspec.Raw(row.text) for row in self.rows)
            events = cast("tuple[SentEvent, ...]", texts)  # a Raw is copied as it is
            self._body = msgspec.json.encode(msgspec.structs.replace(self.sent, events=events))
        return self._body


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """Every event that was put is in one of them; `queued` holds those in flight too."""

    queued: int
    sent: int
    dropped: int
    rejected: int
    repeated: int


@dataclass(frozen=True, slots=True)
class Goal:
    """Every event below `number` is to be delivered, with `given_up` as it is now."""

    number: int
    given_up: int


class Outbox:
    """`bound` is how many events may wait, of 4 KiB on average; a batch in flight comes on top.

    `given_up` counts what the server will not learn of otherwise, for `dropped_total`.
    """

    def __init__(self, bound: int, source: str | None) -> None:
        self._bound = max(bound, 1)
        self._bound_bytes = max(self._bound * _BYTES_PER_EVENT, _LEAST_BOUND_BYTES)
        self._source = source
        self._is_open = True
        self.start_afresh()

    def start_afresh(self) -> None:
        """In a forked child. What was queued is the parent's to send, and what the parent has
        recorded may never arrive, so the child remembers nothing of it either."""
        self._lock = threading.RLock()
        self._sender_id = uuid.uuid4().hex
        self._repeats = Repeats()
        self._waiting: deque[Row] = deque()
        self._waiting_bytes = 0
        self._since_s = 0.0
        self._in_flight: Batch | None = None
        self._next_seq = 1
        self._events_before = 0
        self._most_rows = MOST_ROWS
        self._entered = self._sent = self._dropped = self._rejected = self._repeated = 0
        self._given_up = self._told_given_up = 0
        self._problems: deque[EventsRejected] = deque(maxlen=_PROBLEMS_KEPT)

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def stats(self) -> DeliveryStats:
        with self._lock:
            return DeliveryStats(
                queued=len(self._waiting) + self._rows_in_flight(),
                sent=self._sent,
                dropped=self._dropped,
                rejected=self._rejected,
                repeated=self._repeated,
            )

    def put(self, event: SentEvent, now_s: float) -> bool:
        """Whether there is a reason to wake the sender."""
        key = repeat_key(event)
        if key is not None:
            with self._lock:
                if self._repeats.is_repeated(key, now_s):
                    self._repeated += 1
                    return False
        try:
            text = msgspec.json.encode(event)
        except Exception:  # noqa: BLE001 - the edge to properties of the user's own
            return self._reject(key, _unwritable(event))
        if len(text) > MOST_BYTES:
            problem = f"{len(text)} bytes of JSON: keep an event below {MOST_BYTES} bytes"
            return self._reject(key, problem)
        with self._lock:
            return self._add(key, text, now_s)

    def _add(self, key: RepeatKey | None, text: bytes, now_s: float) -> bool:
        waiting = self._waiting
        row = Row(self._entered, key, text)
        self._entered += 1
        if not self._is_open:
            self._drop(row)
            return False
        was_empty = not waiting
        if was_empty:
            self._since_s = now_s
        waiting.append(row)
        self._waiting_bytes += len(text)
        while len(waiting) > self._bound or self._waiting_bytes > self._bound_bytes:
            self._drop(self._pop())
        return was_empty or len(waiting) == ENOUGH_ROWS or self._entered % ENOUGH_ROWS == 0

    def _pop(self) -> Row:
        row = self._waiting.popleft()
        self._waiting_bytes -= len(row.text)
        return row

    def _drop(self, row: Row) -> None:
        self._dropped += 1
        self._give_up(row.key)

    def _reject(self, key: RepeatKey | None, problem: str) -> bool:
        with self._lock:
            self._rejected += 1
            self._give_up(key)
            self._problems.append(EventsRejected(1, problem))
            return self._is_open

    def _give_up(self, key: RepeatKey | None) -> None:
        self._given_up += 1
        if key is not None:
            self._repeats.forget(key)

    def due_in_s(self, now_s: float) -> float | None:
        """None when there is nothing to send."""
        with self._lock:
            if self._in_flight is not None:
                return 0.0
            if not self._waiting:
                return None
            enough = min(ENOUGH_ROWS, self._most_rows)
            if len(self._waiting) >= enough or self._waiting_bytes >= MOST_BYTES:
                return 0.0
            return max(self._since_s + COMPANY_S - now_s, 0.0)

    def take(self) -> Batch | None:
        """The batch in flight, else the next one; one sender at a time."""
        with self._lock:
            if self._in_flight is None and self._waiting:
                self._in_flight = self._batch_of(self._cut())
            return self._in_flight

    def add_last_batch(self) -> bool:
        """An empty one, when nothing waits and the server does not know of all that was lost."""
        with self._lock:
            is_idle = self._in_flight is None and not self._waiting
            if not (is_idle and self._given_up > self._told_given_up):
                return False
            self._in_flight = self._batch_of(())
            return True

    def _batch_of(self, rows: tuple[Row, ...]) -> Batch:
        sent = SentBatch(
            sender_id=self._sender_id,
            batch_seq=self._next_seq,
            events=(),
            events_before=self._events_before,
            dropped_total=self._given_up,
            source=self._source,
        )
        return Batch(sent, rows)

    def _cut(self) -> tuple[Row, ...]:
        rows = [self._pop()]
        room = MOST_BYTES - len(rows[0].text)
        waiting = self._waiting
        while waiting and len(rows) < self._most_rows and len(waiting[0].text) < room:
            rows.append(self._pop())
            room -= len(rows[-1].text) + 1
        self._since_s = -math.inf  # what stays has waited long enough
        return tuple(rows)

    def acknowledge(self, batch: Batch, rejected: Collection[int] = ()) -> None:
        """The server has the batch; it keeps nothing of the rows at the positions `rejected`."""
        with self._lock:
            if batch is not self._in_flight:
                return  # given up meanwhile
            self._in_flight = None
            self._next_seq += 1
            self._told_given_up = batch.sent.dropped_total
            self._events_before += len(batch.rows)
            self._sent += len(batch.rows) - len(rejected)
            self._rejected += len(rejected)
            for index in rejected:
                self._forget(batch.rows[index])
            self._most_rows = min(MOST_ROWS, self._most_rows + max(self._most_rows // 4, 1))

    def take_apart(self, batch: Batch) -> bool:
        """The server will not have the batch, so its number is free again: the next batch is half
        as long. False when it cannot be: a single event is rejected."""
        with self._lock:
            if batch is not self._in_flight:
                return True
            self._in_flight = None
            self._most_rows = max(len(batch.rows) // 2, 1)
            if not batch.rows:
                return False
            if len(batch.rows) == 1:
                self._rejected += 1
                self._give_up(batch.rows[0].key)
                return False
            self._waiting.extendleft(reversed(batch.rows))
            self._waiting_bytes += sum(len(row.text) for row in batch.rows)
            self._since_s = -math.inf
            return True

    def _forget(self, row: Row) -> None:
        if row.key is not None:
            self._repeats.forget(row.key)

    def goal(self) -> Goal:
        with self._lock:
            return Goal(self._entered, self._dropped + self._rejected)

    def is_reached(self, goal: Goal) -> bool:
        """Nothing below the goal is held any more."""
        with self._lock:
            if self._in_flight is not None and self._in_flight.rows:
                return self._in_flight.rows[0].number >= goal.number
            return not self._waiting or self._waiting[0].number >= goal.number

    def is_delivered(self, goal: Goal) -> bool:
        """The goal is reached and nothing was given up on the way."""
        with self._lock:
            lost = self._dropped + self._rejected - goal.given_up
            return lost == 0 and self.is_reached(goal)

    def close(self) -> int:
        """Drop what is left, and all that comes; how many that were."""
        with self._lock:
            self._is_open = False
            left = self._rows_in_flight() + len(self._waiting)
            self._dropped += left
            self._in_flight = None
            self._waiting.clear()
            self._waiting_bytes = 0
            return left

    def take_problems(self) -> list[EventsRejected]:
        """What was wrong with events that could not even be queued."""
        with self._lock:
            problems = list(self._problems)
            self._problems.clear()
            return problems

    def _rows_in_flight(self) -> int:
        return 0 if self._in_flight is None else len(self._in_flight.rows)


def _unwritable(event: SentEvent) -> str:
    for name in event.__struct_fields__:
        try:
            msgspec.json.encode(getattr(event, name))
        except Exception as error:  # noqa: BLE001 - the edge to properties of the user's own
            return f"{name}: {type(error).__name__}: use what JSON can say, in whole characters"
    return "an event that is no JSON"
