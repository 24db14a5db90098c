"""Databases that begin as a copy: to make the tables takes longer than most of what tests do with
them. That of PostgreSQL is in `support.postgres`."""

import atexit
import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from fairlot.store import Store, open_store
from fairlot.store.profiles import ProfileStore, open_profile_store
from fairlot.store.profiles.store import PROFILES_FILE
from fairlot.store.sqlite import DATABASE_FILE


def open_with_tables(data_dir: Path, secret: str | None, database_url: str | None = None) -> Store:
    """As `open_store`."""
    if database_url is None:
        lay_database(_made(), data_dir)
    return open_store(data_dir, secret, database_url)


def open_profiles_with_tables(
    data_dir: Path, database_url: str | None = None, **options: float
) -> ProfileStore:
    """As `open_profile_store`."""
    if database_url is None:
        lay_database(_made(), data_dir, PROFILES_FILE)
    return open_profile_store(data_dir, database_url, **options)


def directory_to_copy() -> Path:
    """A new one, for as long as this process lives."""
    directory = Path(mkdtemp(prefix="fairlot-tables-"))
    atexit.register(shutil.rmtree, directory)
    return directory


def lay_database(source: Path, data_dir: Path, name: str = DATABASE_FILE) -> None:
    """A copy of that of a closed store; a file that is there stays as it is."""
    if (data_dir / name).exists():
        return
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(source / name, data_dir / name)  # with its mode


@cache
def _made() -> Path:
    """A directory with both databases, of which no secret is known yet."""
    directory = directory_to_copy()
    open_store(directory, None).close()
    with closing(sqlite3.connect(directory / DATABASE_FILE)) as connection:
        connection.execute("DELETE FROM vault_check")
        connection.commit()
    open_profile_store(directory).close()
    return directory
