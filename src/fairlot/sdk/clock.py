"""The time as the SDK asks for it, so that tests can hold it."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC; may jump."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait for a notification of `condition`, which is held, for `timeout_s` at most."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        condition.wait(timeout_s)
