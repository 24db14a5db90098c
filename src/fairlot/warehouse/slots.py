"""Which file of the log a worker writes: the lowest that no living process holds."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from fairlot.warehouse.errors import UnusableLogFile

MAX_SLOTS = 1024


@dataclass(frozen=True, slots=True)
class Slot:
    """A claimed `worker-<n>.sqlite`; the lock goes with `descriptor`, or with the process."""

    number: int
    path: Path
    descriptor: int

    def release(self) -> None:
        os.close(self.descriptor)


def claim_slot(directory: Path) -> Slot:
    """The lowest free slot, so that a restarted worker goes on with the file it had."""
    for number in range(MAX_SLOTS):
        slot = _claim(directory, number)
        if slot is not None:
            return slot
    raise UnusableLogFile(directory, f"all {MAX_SLOTS} worker files are in use; run fewer workers")


def claim_file(path: Path) -> Slot | None:
    """The slot of a worker's file, unless a living process holds it."""
    return _claim(path.parent, int(path.stem.removeprefix("worker-")))


def _claim(directory: Path, number: int) -> Slot | None:
    lock = directory / f"worker-{number}.lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise UnusableLogFile(lock, f"cannot be locked ({error}); use a local disk") from error
    return Slot(number, directory / f"worker-{number}.sqlite", descriptor)
