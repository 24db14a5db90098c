"""A worker that starts while the database server is away."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fairlot.logs import get_logger
from fairlot.store import Store, StoreAway

GIVE_UP_AFTER_S = 600.0
_PAUSE_S = 1.0
_log = get_logger()


async def open_when_there(open_it: Callable[[], Store], at_each_try: Callable[[], None]) -> Store:
    """Try again until the database lets us in; raises StoreAway after ten minutes, or on SIGTERM.

    The worker replaces one that died. uvicorn ends all workers when a new one cannot start, and the
    others are deciding from memory.
    """
    give_up_at = time.monotonic() + GIVE_UP_AFTER_S
    told = False
    with _noticing(signal.SIGTERM) as asked_to_stop:
        while True:
            at_each_try()
            try:
                return await asyncio.to_thread(open_it)
            except StoreAway as error:
                if asked_to_stop.is_set() or time.monotonic() > give_up_at:
                    raise
                if not told:
                    _log.warning("server.waits_for_the_store", problem=str(error))
                told = True
            await asyncio.sleep(_PAUSE_S)


@contextmanager
def _noticing(number: signal.Signals) -> Iterator[threading.Event]:
    """Set when the signal has come; whoever handles it still does. In the main thread only."""
    noticed = threading.Event()
    before = signal.getsignal(number)

    def handle(given: int, frame: FrameType | None) -> None:
        noticed.set()
        if callable(before):
            before(given, frame)

    signal.signal(number, handle)
    try:
        yield noticed
    finally:
        signal.signal(number, before)
