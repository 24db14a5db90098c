"""Durable copies of files, and of SQLite databases that are written meanwhile."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from fairlot.engine import FairlotError

_CHUNK_BYTES: Final = 1 << 20
_BUSY_TIMEOUT_S: Final = 30.0


class UnusableDatabase(FairlotError):
    """A database that cannot be copied, or whose copy is not sound."""

    code = "backup_source_unusable"

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: cannot be copied ({problem}); check the file and the disk")


def copy_database(source: Path, target: Path) -> None:
    """Its state at one moment, whoever writes to it; a file that is whole by itself."""
    _create_private(target)
    uri = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            # Else whoever opens it needs to write beside it.
            writing.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = writing.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise UnusableDatabase(source, str(error)) from error
    if verdict != "ok":
        raise UnusableDatabase(source, str(verdict))
    sync(target)


def copy_file(source: Path, target: Path) -> str:
    """The SHA-256 of what was copied, in hexadecimal."""
    digest = hashlib.sha256()
    _create_private(target)
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folders(root: Path, folder: Path) -> Path:
    """Those from below `root` to `folder` that are not there."""
    for name in reversed([folder, *folder.parents]):
        if root in name.parents:
            name.mkdir(mode=0o700, exist_ok=True)
    return folder


def sync(path: Path) -> None:
    """A file, or the names in a folder, are on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_private(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
