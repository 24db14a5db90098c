"""SIGKILL at a moment that hurts: while a worker holds an open write transaction.

The server is stopped (SIGSTOP) and SQLite's own lock on its shared memory says whether a worker is
in one. Needs the file locks of Linux.
"""

import fcntl
import os
import signal
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from support.processes import ServerProcess
from support.waiting import wait_for

MOST_STOPS = 200
# SQLite's WAL-index keeps its locks from byte 120 on; the first one is the writer's.
WAL_WRITE_LOCK = 120
FLOCK = struct.Struct("hhqqi4x")


class Load(Protocol):
    """One client; `run` asks until the server is gone, and notes what was acknowledged."""

    acknowledged: list[str]

    def run(self, server: ServerProcess, credential: str, /) -> None: ...


def kill_under_load(server: ServerProcess, credential: str, loads: Sequence[Load]) -> bool:
    """Load the server, kill all of it, and say whether a worker was in a transaction."""
    threads = [threading.Thread(target=each.run, args=(server, credential)) for each in loads]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(each.acknowledged for each in loads))
    time.sleep(0.5)
    hit = kill_in_transaction(server)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return hit


def kill_in_transaction(server: ServerProcess) -> bool:
    """Kill all of a server that is under load; whether a worker was in a transaction.

    It is stopped and let go again until a stop finds a transaction open, and killed as it then
    stands.
    """
    hit = False
    for _ in range(MOST_STOPS):
        server.signal_group(signal.SIGSTOP)
        time.sleep(0.005)
        hit = any(map(has_open_transaction, log_files(server.data_dir)))
        if hit:
            break
        server.signal_group(signal.SIGCONT)
        time.sleep(0.003)
    server.signal_group(signal.SIGKILL)
    return hit


def has_open_transaction(log_file: Path) -> bool:
    """Whether another process holds the write lock of a SQLite file in WAL mode."""
    index = log_file.with_name(f"{log_file.name}-shm")
    if not index.exists():  # nobody has the file open yet
        return False
    with index.open("r+b") as shared:
        asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, WAL_WRITE_LOCK, 1, 0)
        told = FLOCK.unpack(fcntl.fcntl(shared, fcntl.F_GETLK, asked))
    return bool(told[0] != fcntl.F_UNLCK)


def log_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "events").glob("worker-*.sqlite"))
