"""Brings events to the server: batch by batch, in order, for as long as the process lives."""

import threading
import time
from collections.abc import Callable
from typing import Final

from fairlot.engine import FairlotError
from fairlot.events.sent import SentEvent
from fairlot.sdk.background import Background
from fairlot.sdk.backoff import Backoff
from fairlot.sdk.clock import Clock
from fairlot.sdk.event_answers import (
    Answer,
    EventsDropped,
    EventsNotSent,
    Verdict,
    read_answer,
)
from fairlot.sdk.outbox import Batch, DeliveryStats, Goal, Outbox
from fairlot.sdk.transport import HttpRequest, Transport

SLOW_PAUSE_S: Final = 60.0
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_MOMENT_S: Final = 0.001  # what remains of a pause when times are subtracted


class Delivery:
    """The sender of one client's events.

    `put` only queues. One thread sends; `flush` and `close` send in the thread of their caller, so
    they work where no thread can be started. How long these two wait is real time, whatever
    `clock` says. `report` gets the code of an error and the error, never inside `put`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        transport: Transport,
        clock: Clock,
        queue_bound: int,
        timeout_s: float,
        report: Callable[[str, Exception], object],
        source: str = "sdk-python",
    ) -> None:
        self._url = url
        self._headers = {
            "authorization": f"Bearer {api_key}",
            "content-type": "application/json",
        }
        self._transport = transport
        self._clock = clock
        self._timeout_s = timeout_s
        self._bound = queue_bound
        self._report = report
        self._outbox = Outbox(queue_bound, source)
        self._background = Background("fairlot-delivery", self._step, clock)
        self._begin()

    def start_afresh(self) -> None:
        """Call it in a forked child, before anything else: the queue is the parent's to send."""
        self._outbox.start_afresh()
        self._background.start_afresh()
        self._begin()

    def _begin(self) -> None:
        self._sending = threading.Lock()
        self._counting = threading.RLock()
        self._callers = 0
        self._backoff = Backoff()
        self._not_before_s = self._clock.monotonic_s()
        self._pause_was_asked_for = False
        self._dropped_reported = 0

    @property
    def stats(self) -> DeliveryStats:
        return self._outbox.stats

    def put(self, event: SentEvent) -> None:
        """Never waits and never raises. When the queue is full the oldest event goes."""
        if self._outbox.put(event, self._clock.monotonic_s()):
            self._background.wake()

    def flush(self, within_s: float) -> bool:
        """Whether everything that was queued at the call has been delivered. It keeps to the pauses
        that failures have called for, and returns early when they end too late."""
        return self._deliver(self._outbox.goal(), within_s, try_now=False)

    def close(self, within_s: float) -> bool:
        """Flush, with one try at once, then stop; what is left is dropped and so is what comes.
        Whether nothing was left, and everything of this call was delivered."""
        give_up_at_s = time.monotonic() + within_s
        self._background.stop(0.0)
        delivered = self._deliver(self._outbox.goal(), within_s, try_now=True)
        self._tell_losses(give_up_at_s)
        left = self._outbox.close()
        self._background.stop(max(give_up_at_s - time.monotonic(), 0.0))
        self._report_given_up()
        return delivered and not left

    def _step(self) -> float | None:
        """Send what is due; in how many seconds to look again."""
        self._report_given_up()
        while not self._callers:
            with self._sending:
                pause_s = self._due_in_s()
                if pause_s is None or pause_s > 0:
                    return pause_s
                self._send_next(self._timeout_s)
        return None

    def _due_in_s(self) -> float | None:
        now_s = self._clock.monotonic_s()
        due_in_s = self._outbox.due_in_s(now_s)
        if due_in_s is None:
            return None
        pause_s = max(due_in_s, self._not_before_s - now_s)
        return pause_s if pause_s > _MOMENT_S else 0.0

    def _deliver(self, goal: Goal, within_s: float, *, try_now: bool) -> bool:
        self._report_given_up()
        with self._counting:
            self._callers += 1
        try:
            return self._deliver_until(goal, time.monotonic() + within_s, try_now=try_now)
        finally:
            with self._counting:
                self._callers -= 1
            if self._outbox.stats.queued:
                self._background.wake()  # it has left the work to us

    def _deliver_until(self, goal: Goal, give_up_at_s: float, *, try_now: bool) -> bool:
        while not self._outbox.is_reached(goal):
            left_s = give_up_at_s - time.monotonic()
            if left_s <= 0 or not self._sending.acquire(timeout=left_s):
                break
            try:
                left_s = max(give_up_at_s - time.monotonic(), _MOMENT_S)
                pause_s = self._not_before_s - self._clock.monotonic_s()
                if pause_s <= _MOMENT_S or (try_now and not self._pause_was_asked_for):
                    try_now = False
                    self._send_next(min(self._timeout_s, left_s))
                    continue
            finally:
                self._sending.release()
            if pause_s >= left_s:
                break
            time.sleep(pause_s)
        return self._outbox.is_delivered(goal)

    def _tell_losses(self, give_up_at_s: float) -> None:
        """With one try, if all is delivered: the server learns of losses from the next batch only,
        and there will be none."""
        left_s = give_up_at_s - time.monotonic()
        if left_s <= 0 or not self._sending.acquire(timeout=left_s):
            return
        try:
            is_over = self._not_before_s <= self._clock.monotonic_s()
            if (is_over or not self._pause_was_asked_for) and self._outbox.add_last_batch():
                self._send_next(min(self._timeout_s, left_s))
        finally:
            self._sending.release()

    def _send_next(self, timeout_s: float) -> None:
        batch = self._outbox.take()
        if batch is None:
            return
        answer = self._answer_to(batch, timeout_s)
        if answer.verdict is Verdict.TAKEN:
            self._outbox.acknowledge(batch, answer.rejected)
            self._backoff.succeeded()
        elif answer.verdict is not Verdict.SMALLER:
            self._pause(answer)
        elif self._outbox.take_apart(batch):
            return  # the rejected event has not been found yet
        else:
            self._pause(answer)
        if answer.error is not None:
            self._tell(answer.error)

    def _answer_to(self, batch: Batch, timeout_s: float) -> Answer:
        request = HttpRequest(
            "POST",
            self._url,
            headers=self._headers,
            body=batch.body,
            timeout_s=timeout_s,
            max_bytes=_MOST_ANSWER_BYTES,
        )
        try:
            response = self._transport(request)
            return read_answer(self._url, response, len(batch.rows), self._clock.now_ms())
        except Exception as error:  # noqa: BLE001 - the edge to a transport of the user's own
            problem = f"{type(error).__name__}: {error}"
            return Answer(Verdict.AGAIN, error=EventsNotSent(self._url, problem))

    def _pause(self, answer: Answer) -> None:
        asked_s = answer.retry_after_s
        pause_s = self._backoff.failed(asked_s)
        if answer.verdict is Verdict.SLOWLY:
            pause_s = max(SLOW_PAUSE_S, asked_s or 0.0)
        self._not_before_s = self._clock.monotonic_s() + pause_s
        self._pause_was_asked_for = asked_s is not None

    def _report_given_up(self) -> None:
        for problem in self._outbox.take_problems():
            self._tell(problem)
        with self._counting:
            dropped = self._outbox.stats.dropped
            count, self._dropped_reported = dropped - self._dropped_reported, dropped
        if count > 0:
            why = (
                f"the queue holds {self._bound} and the oldest go first: raise queue_bound, "
                "or see why events are not taken"
                if self._outbox.is_open
                else "they were left when the client was closed"
            )
            self._tell(EventsDropped(count, dropped, why))

    def _tell(self, error: FairlotError) -> None:
        self._report(error.code, error)
