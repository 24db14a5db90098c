"""Time that passes when a test says so."""

import threading


class FrozenClock:
    """A `fairlot.sdk.Clock` that stands still between calls of `advance`; threads may share it.

    `start_ms` is the wall clock, milliseconds since the epoch. `advance` wakes whoever waits with
    the clock and whose time has come; it does not wait until they have done something with it.
    """

    def __init__(self, start_ms: int = 1_767_225_600_000) -> None:
        self._lock = threading.Lock()
        self._elapsed_ns = 0
        self._wall_ns = start_ms * 1_000_000
        self._sleepers: list[_Sleeper] = []

    def now_ms(self) -> int:
        return self._wall_ns // 1_000_000

    def monotonic_s(self) -> float:
        return self._elapsed_ns / 1e9

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        if not seconds >= 0:
            raise ValueError(f"seconds is {seconds!r}; time passes forwards, write 0 or more")
        with self._lock:
            passed_ns = round(seconds * 1e9)
            self._elapsed_ns += passed_ns
            self._wall_ns += passed_ns
            due = [sleeper for sleeper in self._sleepers if sleeper.until_ns <= self._elapsed_ns]
        for sleeper in due:
            sleeper.wake()

    def jump_ms(self, milliseconds: int) -> None:
        """Set the wall clock, forwards or back, as an administrator does: nobody is woken."""
        with self._lock:
            self._wall_ns += milliseconds * 1_000_000

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        if timeout_s is None:
            condition.wait()
            return
        with self._lock:
            sleeper = _Sleeper(condition, self._elapsed_ns + round(timeout_s * 1e9))
            if timeout_s <= 0:
                return
            self._sleepers.append(sleeper)
        try:
            # `wake` needs the condition, which is ours until this lets go of it: no call is lost.
            condition.wait()
        finally:
            with self._lock:
                self._sleepers.remove(sleeper)

    @property
    def sleepers(self) -> int:
        """How many threads wait with a time limit; what a test waits for before `advance`."""
        with self._lock:
            return len(self._sleepers)


class _Sleeper:
    def __init__(self, condition: threading.Condition, until_ns: int) -> None:
        self.until_ns = until_ns
        self._condition = condition

    def wake(self) -> None:
        # All of them: the condition may have other waiters, and who it is cannot be chosen.
        with self._condition:
            self._condition.notify_all()
