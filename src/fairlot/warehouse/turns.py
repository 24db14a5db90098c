"""Writing to one file of the log from several places, the worker whose file it is first.

SQLite itself sleeps up to 0.1 s between two tries to get a file, and so misses most of the moments
in which nobody has it. So connections that are used here must not wait on their own.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

Clock = Callable[[], float]
Pause = Callable[[float], None]
"""Both in seconds."""

WITHIN_S: Final = 5.0
WORKER_TRIES_EVERY_S: Final = 0.001
OTHERS_TRY_EVERY_S: Final = 0.003
LEAST_PAUSE_S: Final = 0.003
"""Long enough for a worker that waits to try again."""


@contextmanager
def turn(
    connection: sqlite3.Connection, clock: Clock = time.monotonic, pause: Pause = time.sleep
) -> Iterator[None]:
    """A transaction of another than the worker, to be a short one, and then a pause of the same
    length. Raises sqlite3.Error; what is not committed by then goes with the connection."""
    begin(connection, OTHERS_TRY_EVERY_S, clock, pause)
    begun = clock()
    yield
    connection.execute("COMMIT")
    pause(max(LEAST_PAUSE_S, clock() - begun))


def begin(
    connection: sqlite3.Connection,
    every_s: float = WORKER_TRIES_EVERY_S,
    clock: Clock = time.monotonic,
    pause: Pause = time.sleep,
) -> None:
    """Begin to write, as soon as nobody else does. Raises sqlite3.OperationalError when others
    write for WITHIN_S."""
    give_up_at = clock() + WITHIN_S
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or clock() > give_up_at:
                raise
        pause(every_s)


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
