"""Waiting for something to become true, without a timed assertion."""

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    give_up_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_at, f"not so within {within_s} s"
        time.sleep(0.05)
