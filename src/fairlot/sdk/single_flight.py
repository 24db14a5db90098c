"""One piece of work at a time, and everybody who wants it done gets that one's outcome."""

import threading
from collections.abc import Callable


class _Flight:
    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.landed = threading.Event()
        self.outcome = False


class SingleFlight:
    """Threads that call while `work` runs wait for it and share what it returned, or False when it
    raised. After a fork call `start_afresh` in the child."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        self.start_afresh()

    def start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._flight: _Flight | None = None

    def __call__(self) -> bool:
        """False at once when `work` itself calls."""
        with self._lock:
            flight = self._flight
            if flight is None:
                mine = self._flight = _Flight()
        if flight is not None:
            if flight.owner == threading.get_ident():
                return False
            flight.landed.wait()
            return flight.outcome
        try:
            mine.outcome = self._work()
        finally:
            with self._lock:
                if self._flight is mine:
                    self._flight = None
            mine.landed.set()
        return mine.outcome
