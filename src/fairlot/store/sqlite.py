"""The store in one SQLite file of the data directory."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import StoreUnusable
from fairlot.store.sql_store import SqlStore, reported
from fairlot.store.vault import KEY_FILE, Vault

DATABASE_FILE = "fairlot.db"
LOCK_WAIT_S = 10.0
"""How long a writer waits for another one to end."""


class SqliteStore(SqlStore):
    """Made by `SqliteDatabase`."""

    def __init__(self, path: Path, engine: Engine, vault: Vault) -> None:
        super().__init__(path, engine, writing(engine), vault)
        self._path = path
        self._identity = identity_of(path)

    def generation(self) -> int:
        """Also fails when another file has taken the database's place: what we hold open is then
        not what others write to."""
        if identity_of(self._path) != self._identity:
            problem = "was deleted or replaced while it was open"
            raise StoreUnusable(self._path, problem, "restart the server")
        return super().generation()

    async def follow(self, changed: Callable[[], None]) -> None:
        """SQLite tells nobody."""


class SqliteDatabase:
    """The file in a data directory, which is made as needed."""

    def __init__(self, data_dir: Path) -> None:
        self.place = data_dir / DATABASE_FILE
        self._engine = sqlite_engine(self.place)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        with locked_directory(self.place.parent):
            _check_not_lost(self.place)
            create_private(self.place)
            _check_sound(self.place, self._engine)
            with reported(self.place), writing(self._engine).begin() as connection:
                yield connection

    def store(self, vault: Vault) -> SqliteStore:
        return SqliteStore(self.place, self._engine, vault)

    def close(self) -> None:
        self._engine.dispose()


def create_private(path: Path) -> None:
    """SQLite would make the file readable to all; its companions take over the rights it has."""
    with suppress(OSError):  # what cannot be made is reported when it is opened
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity_of(path: Path) -> tuple[int, int] | None:
    """Which file a path names; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def sqlite_engine(path: Path, lock_wait_s: float = LOCK_WAIT_S) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        hide_parameters=True,  # tokens are among them, and errors are logged
        connect_args={"timeout": lock_wait_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("fairlot_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def writing(engine: Engine) -> Engine:
    return engine.execution_options(fairlot_writes=True)


def _check_not_lost(path: Path) -> None:
    is_there = path.exists() and path.stat().st_size > 0
    if not is_there and (path.parent / KEY_FILE).exists():
        raise StoreUnusable(
            path,
            f"is missing or empty, though {KEY_FILE} was made for a database",
            "restore a backup, or set FAIRLOT_DATABASE_URL if the database is in PostgreSQL",
        )


def _check_sound(path: Path, engine: Engine) -> None:
    """A file that is no database, or only part of one, is refused before anything is written."""
    try:
        with engine.connect() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.OperationalError):
            raise StoreUnusable(
                path, f"cannot be opened ({error.orig})", "check the rights and the disk"
            ) from error
        raise _damaged(path, str(error.orig)) from error
    if verdict != "ok":
        raise _damaged(path, str(verdict))


def _damaged(path: Path, problem: str) -> StoreUnusable:
    return StoreUnusable(path, f"is not a sound database ({problem})", "restore a backup")
