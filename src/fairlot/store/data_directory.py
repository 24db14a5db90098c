"""The directory that is made beside, or around, a database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlot.store.errors import StoreUnusable

LOCK_FILE = "fairlot.db.lock"


@contextmanager
def locked_directory(data_dir: Path) -> Iterator[None]:
    """One process at a time creates, migrates and makes the key, in a directory that is made."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(
            data_dir, f"cannot be written ({error.strerror})", "name a directory that you own"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
