"""Faults that must not reach a request: counted all, told once a minute a kind."""

import logging
import threading
from collections.abc import Callable, Mapping

from fairlot.engine import FairlotError
from fairlot.sdk.clock import Clock

_TELL_EVERY_S = 60.0
_log = logging.getLogger("fairlot")


class Faults:
    """`kind` is a short fixed word. Of an exception that is not ours the warning has no more than
    its type, for its message may hold a subject id; level debug has the whole of it. In a forked
    child call `start_afresh`."""

    def __init__(
        self, clock: Clock, on_refresh_error: Callable[[Exception], object] | None = None
    ) -> None:
        self._clock = clock
        self._on_refresh_error = on_refresh_error
        self._counts: dict[str, int] = {}
        self._told: dict[str, tuple[float, int]] = {}
        self.start_afresh()

    def start_afresh(self) -> None:
        # A signal handler or a finalizer may decide too, in the thread that holds it.
        self._lock = threading.RLock()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there were, by kind."""
        with self._lock:
            return dict(self._counts)

    def report_refresh(self, error: Exception) -> None:
        """What went wrong with a manifest is told to the user's own callback too, as often."""
        kind = error.code if isinstance(error, FairlotError) else "refresh"
        if self.report(kind, error) and self._on_refresh_error is not None:
            try:
                self._on_refresh_error(error)
            except Exception as fault:  # noqa: BLE001 - the edge to the user's own callback
                self.report("callback", fault)

    def report(self, kind: str, error: BaseException | str) -> bool:
        """Whether it was told, for it was a minute since the last of its kind."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            told_at_s, told_count = self._told.get(kind, (None, 0))
            if told_at_s is not None and now_s - told_at_s < _TELL_EVERY_S:
                return False
            self._told[kind] = (now_s, count)
        unseen = count - told_count - 1
        more = f" (and {unseen} more of this kind before)" if unseen else ""
        _log.warning("%s: %s%s", kind, _said(error), more)
        if isinstance(error, BaseException):
            _log.debug("%s", kind, exc_info=error)
        return True


def _said(error: BaseException | str) -> str:
    if isinstance(error, str | FairlotError):
        return str(error)
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f" in {code.co_name}, {code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return type(error).__name__ + place
