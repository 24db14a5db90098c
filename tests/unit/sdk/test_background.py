import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from fairlot.sdk.background import Background
from fairlot.sdk.clock import SystemClock
from fairlot.testing import FrozenClock
from support.waiting import wait_for

WITHIN_S = 10.0
Step = Callable[[], float | None]


class Steps:
    """Counts the calls, and does what it is told at each."""

    def __init__(self, *answers: float | BaseException | None) -> None:
        self.calls = 0
        self._answers = list(answers)

    def __call__(self) -> float | None:
        self.calls += 1
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def start(clock: FrozenClock) -> Iterator[Callable[[Step], Background]]:
    started: list[Background] = []

    def begin(step: Step) -> Background:
        started.append(Background("fairlot-test", step, clock))
        return started[-1]

    yield begin
    for background in started:
        assert background.stop(WITHIN_S)


Start = Callable[[Step], Background]


def test_background__not_woken__has_no_thread(start: Start) -> None:
    before = set(threading.enumerate())
    start(Steps())
    assert set(threading.enumerate()) <= before  # one of another test may have ended


def test_wake__any_number_of_times__runs_the_step_in_one_daemon_thread(start: Start) -> None:
    names: set[tuple[str, bool]] = set()
    calls: list[None] = []

    def step() -> None:
        thread = threading.current_thread()
        names.add((thread.name, thread.daemon))
        calls.append(None)

    background = start(step)
    assert background.wake()
    wait_for(lambda: len(calls) == 1)
    assert background.wake()
    wait_for(lambda: len(calls) == 2)
    assert names == {("fairlot-test", True)}


def test_step__returns_seconds__is_run_again_when_they_have_passed(
    start: Start, clock: FrozenClock
) -> None:
    steps = Steps(5.0, None)
    start(steps).wake()
    wait_for(lambda: clock.sleepers == 1)
    assert steps.calls == 1
    clock.advance(5)
    wait_for(lambda: steps.calls == 2)


def test_wake__during_a_pause__ends_it(start: Start, clock: FrozenClock) -> None:
    steps = Steps(5.0)
    background = start(steps)
    background.wake()
    wait_for(lambda: clock.sleepers == 1)
    background.wake()
    wait_for(lambda: steps.calls == 2)


def test_wake__during_a_step__is_not_lost(start: Start) -> None:
    entered, leave = threading.Event(), threading.Event()
    calls: list[None] = []

    def step() -> None:
        calls.append(None)
        entered.set()
        assert leave.wait(WITHIN_S)

    background = start(step)
    background.wake()
    assert entered.wait(WITHIN_S)
    background.wake()
    leave.set()
    wait_for(lambda: len(calls) == 2)


def test_step__raises__is_logged_and_run_again_a_minute_later(
    start: Start, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps(ValueError("broken"))
    with caplog.at_level(logging.ERROR, "fairlot"):
        start(steps).wake()
        wait_for(lambda: clock.sleepers == 1)
    assert "fairlot-test failed" in caplog.text
    clock.advance(60)
    wait_for(lambda: steps.calls == 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_step__ends_its_thread__another_one_is_started(start: Start) -> None:
    steps = Steps(SystemExit())
    background = start(steps)
    background.wake()
    wait_for(lambda: steps.calls == 1 and background._thread is None)
    assert background.wake()
    wait_for(lambda: steps.calls == 2)


def test_stop__later_wake__does_nothing(start: Start) -> None:
    steps = Steps()
    background = start(steps)
    assert background.stop(WITHIN_S)
    assert not background.wake()
    assert steps.calls == 0


def test_stop__by_the_step_itself__does_not_wait_for_itself(start: Start) -> None:
    stopped: list[bool] = []
    background = start(lambda: stopped.append(background.stop(WITHIN_S)))
    background.wake()
    wait_for(lambda: stopped == [True])


def test_wake__no_thread_can_be_started__is_logged_and_tried_again(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    steps = Steps()
    background = start(steps)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert not background.wake()
    assert "no thread could be started" in caplog.text
    assert background.wake()
    wait_for(lambda: steps.calls == 1)


def test_fork__parent_has_a_thread__child_gets_one_of_its_own(start: Start) -> None:
    steps = Steps()
    background = start(steps)
    background.wake()
    wait_for(lambda: steps.calls == 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: the parent has threads
        child = os.fork()
    if child == 0:
        try:
            background.start_afresh()
            background.wake()
            wait_for(lambda: steps.calls == 2)
            os._exit(0 if background.stop(WITHIN_S) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    background.wake()
    wait_for(lambda: steps.calls == 2)


def test_system_clock__both_scales__go_forwards_and_waiting_ends() -> None:
    clock = SystemClock()
    assert clock.now_ms() > 1_700_000_000_000
    before = clock.monotonic_s()
    condition = threading.Condition()
    with condition:
        clock.wait(condition, 0.01)
    assert clock.monotonic_s() > before
