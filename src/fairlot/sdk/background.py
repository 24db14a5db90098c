"""Work that nobody waits for, in one daemon thread that starts when it is first needed."""

import logging
import threading
from collections.abc import Callable

from fairlot.sdk.clock import Clock

_PAUSE_AFTER_FAULT_S = 60.0
_log = logging.getLogger("fairlot")


class Background:
    """Runs `step` when woken, and again after the seconds that `step` returned; None waits for the
    next wake-up. It may come early, so a step looks at the time itself. After a fork call
    `start_afresh` in the child, where no thread lives on."""

    def __init__(self, name: str, step: Callable[[], float | None], clock: Clock) -> None:
        self._name = name
        self._step = step
        self._clock = clock
        self.start_afresh()

    def start_afresh(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted = False
        self._stopping = False

    def wake(self) -> bool:
        """Never waits for `step`; whether there is a thread to run it, which after `stop` there is
        not."""
        with self._condition:
            if self._stopping:
                return False
            self._wanted = True
            self._condition.notify()
            if self._thread is not None:
                return True
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending
                _log.warning(
                    "%s: no thread could be started; trying again when next needed", self._name
                )
                return False
            self._thread = thread
            return True

    def stop(self, within_s: float) -> bool:
        """Let a running `step` end, start no other; whether the thread has ended in time."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(within_s)
        return not thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        finally:  # a step may end its thread, by SystemExit: the next wake-up starts another
            with self._condition:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _work(self) -> None:
        pause_s: float | None = None
        while True:
            with self._condition:
                if not (self._wanted or self._stopping):
                    self._clock.wait(self._condition, pause_s)
                if self._stopping:
                    return
                if pause_s is None and not self._wanted:
                    continue
                self._wanted = False
            try:
                pause_s = self._step()
            except Exception:  # noqa: BLE001 - the edge of the background worker
                _log.exception("%s failed; the next try is in a minute", self._name)
                pause_s = _PAUSE_AFTER_FAULT_S
