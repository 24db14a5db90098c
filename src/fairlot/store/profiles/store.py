"""The database of profiles, once it is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, event, text

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import Place, StoreFailed, StoreUnusable
from fairlot.store.sql_store import Transactions, reported
from fairlot.store.sqlite import LOCK_WAIT_S, create_private, identity_of, sqlite_engine, writing

PROFILES_FILE: Final = "profiles.db"


class ProfileStore(Transactions):
    """Transactions over the tables of `fairlot.store.profiles.tables`; one writer at a time."""

    @property
    def place(self) -> Place:
        return self._place

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        """Raises StoreFailed when `check_in_place` does: what is written would be lost."""
        try:
            self.check_in_place()
        except StoreUnusable as error:
            raise StoreFailed(self.place, str(error)) from None
        with super().writing(keep=keep) as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """To write however long it takes; whoever does so before is waited for."""
        with self.writing() as connection:
            yield connection

    def check_in_place(self) -> None:
        """Raises StoreUnusable when what we hold open is not what others open."""

    def receipt(self, connection: Connection) -> str:
        """What to ask `was_committed` with, if the commit of this transaction is not answered."""
        return ""

    def was_committed(self, receipt: str) -> bool:
        """Raises StoreFailed when it cannot be known yet."""
        return False


class SqliteProfileStore(ProfileStore):
    """A file of the data directory, which is made as needed."""

    def __init__(self, data_dir: Path, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._path = data_dir / PROFILES_FILE
        with locked_directory(data_dir):
            create_private(self._path)
        engine = sqlite_engine(self._path, lock_wait_s)
        event.listen(engine, "connect", _erase_what_is_deleted)
        super().__init__(self._path, engine, writing(engine))
        self._identity = identity_of(self._path)

    def check_in_place(self) -> None:
        if identity_of(self._path) != self._identity:
            problem = "was deleted or replaced while it was open"
            raise StoreUnusable(self._path, problem, "restart the server")


class PostgresProfileStore(ProfileStore):
    """Tables beside those of the control plane."""

    def __init__(self, url: str) -> None:
        from fairlot.store import postgres  # its driver is an extra
        from fairlot.store.postgres_connection import parameters_of, place_of

        parameters = parameters_of(url)
        engine: Engine = postgres.postgres_engine(parameters)
        self._engine = engine
        self._wait_for_writers = partial(postgres.wait_for_writers, lock=postgres.PROFILES_LOCK)
        super().__init__(
            place_of(parameters),
            postgres.reading(engine),
            postgres.writing(engine, postgres.PROFILES_LOCK),
        )

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        with reported(self.place), self._engine.begin() as connection:
            self._wait_for_writers(connection)
            yield connection

    def receipt(self, connection: Connection) -> str:
        return str(connection.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())

    def was_committed(self, receipt: str) -> bool:
        """Waits for the lock of writers: when we have it, that transaction has ended."""
        with self.writing(keep=False) as connection:
            status = connection.execute(
                text("SELECT pg_xact_status(CAST(:receipt AS xid8))"), {"receipt": receipt}
            ).scalar_one()
        return bool(status == "committed")


class Erasing(Protocol):
    """A connection of sqlite3."""

    def execute(self, sql: str, /) -> object: ...


def _erase_what_is_deleted(connection: Erasing, _record: object) -> None:
    connection.execute("PRAGMA secure_delete = ON")
