"""Time that passes when the test says so, for threads too."""

import threading

import pytest

from fairlot.sdk.background import Background
from fairlot.sdk.clock import Clock
from fairlot.testing import FrozenClock
from support.waiting import wait_for


class Waiter:
    """A thread that waits once, with a condition of its own or with one that others share."""

    def __init__(
        self, clock: Clock, timeout_s: float | None, condition: threading.Condition | None = None
    ) -> None:
        self.condition = condition or threading.Condition()
        self.woken = threading.Event()
        self._clock = clock
        self._timeout_s = timeout_s
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self.condition:
            self._clock.wait(self.condition, self._timeout_s)
        self.woken.set()

    def notify(self) -> None:
        with self.condition:
            self.condition.notify_all()


def asleep(clock: FrozenClock, count: int) -> None:
    wait_for(lambda: clock.sleepers == count)


def test_frozen_clock__nothing_done__stands_still() -> None:
    clock: Clock = FrozenClock(start_ms=1_000)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 0.0)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 0.0)


def test_advance__seconds__moves_both_clocks() -> None:
    clock = FrozenClock(start_ms=1_000)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic_s()) == (2_500, 1.5)


def test_advance__a_tenth_ten_times__one_second() -> None:
    clock = FrozenClock()
    for _ in range(10):
        clock.advance(0.1)
    assert clock.monotonic_s() == 1.0


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_advance__not_forwards__refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="write 0 or more"):
        FrozenClock().advance(seconds)


def test_jump_ms__back__moves_the_wall_clock_only() -> None:
    clock = FrozenClock(start_ms=10_000)
    clock.jump_ms(-9_000)
    assert (clock.now_ms(), clock.monotonic_s()) == (1_000, 0.0)


def test_wait__time_has_come__woken() -> None:
    clock = FrozenClock()
    waiter = Waiter(clock, 60)
    asleep(clock, 1)
    clock.advance(59)
    assert clock.sleepers == 1
    clock.advance(1)
    assert waiter.woken.wait(5)
    assert clock.sleepers == 0


def test_wait__several_threads__those_woken_whose_time_has_come() -> None:
    clock = FrozenClock()
    soon, sooner, late = Waiter(clock, 10), Waiter(clock, 5), Waiter(clock, 3600)
    asleep(clock, 3)
    clock.advance(10)
    assert soon.woken.wait(5) and sooner.woken.wait(5)
    assert clock.sleepers == 1
    clock.advance(3590)
    assert late.woken.wait(5)


def test_wait__many_threads_on_one_condition__all_woken() -> None:
    clock = FrozenClock()
    condition = threading.Condition()
    waiters = [Waiter(clock, 1, condition) for _ in range(50)]
    asleep(clock, 50)
    clock.advance(1)
    assert all(waiter.woken.wait(5) for waiter in waiters)


def test_wait__notified__woken_without_time_passing() -> None:
    clock = FrozenClock()
    waiter = Waiter(clock, 60)
    asleep(clock, 1)
    waiter.notify()
    assert waiter.woken.wait(5)
    assert clock.sleepers == 0


def test_wait__no_limit__only_a_notification_wakes() -> None:
    clock = FrozenClock()
    entered = threading.Event()

    class Watched(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            entered.set()
            return super().wait(timeout)

    waiter = Waiter(clock, None, Watched())
    assert entered.wait(5)
    clock.advance(1_000_000)
    assert clock.sleepers == 0 and not waiter.woken.is_set()
    waiter.notify()
    assert waiter.woken.wait(5)


@pytest.mark.parametrize("timeout_s", [0, -1])
def test_wait__no_time__returns_at_once(timeout_s: float) -> None:
    clock, condition = FrozenClock(), threading.Condition()
    with condition:
        clock.wait(condition, timeout_s)
    assert clock.sleepers == 0


def test_advance__background_worker_asleep__runs_its_step_when_due() -> None:
    clock = FrozenClock()
    steps: list[float] = []

    def step() -> float:
        steps.append(clock.monotonic_s())
        return 30.0

    background = Background("test", step, clock)
    background.wake()
    wait_for(lambda: clock.sleepers == 1)
    clock.advance(30)
    wait_for(lambda: steps == [0.0, 30.0])
    assert background.stop(5)
