"""What open clients do when their process forks, and when it ends."""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol
from weakref import WeakSet

END_WITHIN_S: Final = 5.0


class Living(Protocol):
    def start_afresh(self) -> None:
        """This is a forked child: no other thread lives on."""

    def close(self, within_s: float = ...) -> bool:
        """Deliver what is queued and stop."""


_log = logging.getLogger("fairlot")
_all: Final[WeakSet[Any]] = WeakSet()
_open: Final[WeakSet[Any]] = WeakSet()
_watchers: Final[list[Callable[[Any], object]]] = []


def opened(client: Living) -> None:
    _all.add(client)
    _open.add(client)
    for watcher in tuple(_watchers):
        watcher(client)


@contextmanager
def watching_openings(watcher: Callable[[Any], object]) -> Iterator[None]:
    """Each client that is opened inside the block is given to `watcher`."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def closed(client: Living) -> None:
    _open.discard(client)


def open_ones() -> tuple[Any, ...]:
    return _members_of(_open)


def _members_of(clients: WeakSet[Any]) -> tuple[Any, ...]:
    while True:
        try:
            return tuple(clients)
        except RuntimeError:  # another thread has just opened one
            continue


def _before_fork() -> None:
    """Children of multiprocessing, and of Celery's, end without atexit: they have hooks of their
    own, which can only be set once those modules are there."""
    for name in ("multiprocessing.util", "billiard.util"):
        module = sys.modules.get(name)
        if module is not None and name not in _hooked:
            _hooked[name] = hook = _Hook(module)
            module.register_after_fork(hook, _Hook.begin)


class _Hook:
    def __init__(self, module: Any) -> None:
        self._module = module

    def begin(self) -> None:
        """Called in the child, when it has forgotten the hooks of its parent."""
        self._module.Finalize(None, _at_exit, exitpriority=0)


_hooked: Final[dict[str, _Hook]] = {}


def _after_fork_in_child() -> None:
    # Closed ones too: they go on deciding, and a thread of the parent may hold a lock of theirs.
    for client in _members_of(_all):
        client.start_afresh()


def _at_exit() -> None:
    give_up_at_s = time.monotonic() + END_WITHIN_S
    for client in open_ones():
        try:
            client.close(max(give_up_at_s - time.monotonic(), 0.0))
        except Exception as fault:  # noqa: BLE001 - the events of the others are still to be delivered
            _log.error("a client could not be closed at the end: %s", type(fault).__name__)


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
