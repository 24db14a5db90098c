"""Who may change the files of the lake. The kernel lets go of a lock when its process dies.

Readers share `lake.lock`, and who removes files holds it alone, so what a reader has listed stays.
Who adds, joins or rewrites files holds `lake-writer.lock` alone.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

_READERS: Final = "lake.lock"
_WRITER: Final = "lake-writer.lock"
_PAUSE_S: Final = 0.02
_UNDISTURBED_WITHIN_S: Final = 20.0


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """No listed file is removed meanwhile. Where nothing can be written, nobody removes any."""
    try:
        descriptor = os.open(directory / _READERS, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def removing(directory: Path, within_s: float = 0) -> Iterator[bool]:
    """Whether no reader was there within that time."""
    with _alone(directory / _READERS, within_s) as alone:
        yield alone


@contextmanager
def writing(directory: Path, within_s: float = 0) -> Iterator[bool]:
    """Whether nobody else wrote to the lake within that time."""
    with _alone(directory / _WRITER, within_s) as alone:
        yield alone


@contextmanager
def _alone(path: Path, within_s: float) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(descriptor, within_s)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, within_s: float) -> bool:
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


@contextmanager
def undisturbed(directory: Path) -> Iterator[None]:
    """Nothing moves between the files of the log meanwhile; as well as that can be had within a
    while, and where it can be written."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(writing(directory, _UNDISTURBED_WITHIN_S))
        yield
