"""The store in a PostgreSQL database, beside whose data directory the event log stays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import StoreAway, StoreUnusable
from fairlot.store.postgres_connection import BoundedConnection, Connector, parameters_of, place_of
from fairlot.store.postgres_listening import listen
from fairlot.store.sql_store import SqlStore, problem_of, reported
from fairlot.store.vault import Vault

# Any numbers that no other user of the same database chose: "fairlot" in ASCII, and one more.
CONTROL_PLANE_LOCK = 0x666169726C6F74
PROFILES_LOCK = CONTROL_PLANE_LOCK + 1
_PING_WITHIN_S = 2.0
_OPEN_WITHIN_S = 600.0
_CONNECTIONS_KEPT = 4
_POOL_WITHIN_S = 10.0
_LEAST_VERSION = 13_00_00


class PostgresStore(SqlStore):
    """Made by `PostgresDatabase`."""

    def __init__(self, parameters: dict[str, Any], engine: Engine, vault: Vault) -> None:
        super().__init__(place_of(parameters), reading(engine), writing(engine), vault)
        self._parameters = parameters

    async def follow(self, changed: Callable[[], None]) -> None:
        await listen(self._parameters, changed)


class PostgresDatabase:
    """`data_dir` is made as needed, for the key."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self._parameters = parameters_of(url)
        self.place = place_of(self._parameters)
        self._data_dir = data_dir
        self._engine = postgres_engine(self._parameters)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        _check_reachable(self.place, self._engine)
        with (
            locked_directory(self._data_dir),
            reported(self.place),
            self._engine.begin() as connection,
        ):
            wait_for_writers(connection, CONTROL_PLANE_LOCK)
            yield connection

    def store(self, vault: Vault) -> PostgresStore:
        return PostgresStore(self._parameters, self._engine, vault)

    def close(self) -> None:
        self._engine.dispose()


def postgres_engine(parameters: dict[str, Any]) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=Connector(parameters).connect,
        isolation_level="READ COMMITTED",  # whatever the database has as its default
        pool_size=_CONNECTIONS_KEPT,
        max_overflow=_CONNECTIONS_KEPT,
        pool_timeout=_POOL_WITHIN_S,
        hide_parameters=True,  # tokens are among them, and errors are logged
        use_native_hstore=False,  # saves a query at the start
    )
    event.listen(engine, "checkout", _ping)
    event.listen(engine, "begin", _begin)
    return engine


def reading(engine: Engine) -> Engine:
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writing(engine: Engine, lock: int = CONTROL_PLANE_LOCK) -> Engine:
    """One writer at a time among those who name the same lock."""
    return engine.execution_options(fairlot_writes=lock)


def _ping(connection: BoundedConnection, _record: object, _proxy: object) -> None:
    """A pooled connection may have died since it was used. When one has, all are made anew."""
    connection.within_s = _PING_WITHIN_S
    try:
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error as error:
        raise InvalidatePoolError from error
    del connection.within_s


def _begin(connection: Connection) -> None:
    """One writer at a time, until its transaction ends.

    READ COMMITTED is then as good as SQLite's BEGIN IMMEDIATE: every statement sees what was
    committed before the lock was had, and nobody else commits meanwhile. REPEATABLE READ would
    see what was there before it had to wait.
    """
    lock = connection.get_execution_options().get("fairlot_writes")
    if lock is not None:
        _become_the_writer(connection, lock)


def _check_reachable(place: str, engine: Engine) -> None:
    """Raises StoreAway; and StoreUnusable of a server that is too old, or of a database that does
    not take every character."""
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version_num")).scalar_one()
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    except DBAPIError as error:
        fix = "start the server, make the database, or correct FAIRLOT_DATABASE_URL"
        raise StoreAway(place, f"cannot be opened ({problem_of(error)})", fix) from None
    if int(version) < _LEAST_VERSION:
        problem = f"is PostgreSQL {int(version) // 10_000}"
        raise StoreUnusable(place, problem, f"use {_LEAST_VERSION // 10_000} or newer")
    if encoding != "UTF8":
        fix = "make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        raise StoreUnusable(place, f"has the encoding {encoding}", fix)


def wait_for_writers(connection: Connection, lock: int) -> None:
    """As a writer, but however long: another process may be migrating."""
    driver: BoundedConnection = connection.connection.dbapi_connection  # type: ignore[assignment]
    driver.within_s = _OPEN_WITHIN_S
    for setting in ("lock_timeout", "statement_timeout"):
        connection.execute(text(f"SET LOCAL {setting} = 0"))
    _become_the_writer(connection, lock)


def _become_the_writer(connection: Connection, lock: int) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock})
