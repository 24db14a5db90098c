"""Transactions over one SQLAlchemy engine, whichever database it is of."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fairlot.store.errors import CommitUnanswered, Place, StoreFailed, StoreLocked
from fairlot.store.tenants import read_generation
from fairlot.store.vault import VAULT_OPTION, Vault

_PRIMARY_CODE: Final = 0xFF
"""Which bits of an error code of SQLite say the kind; the others say more of it."""
_LOCK_NOT_AVAILABLE: Final = "55P03"
"""Of PostgreSQL: `lock_timeout` has passed."""


class Transactions:
    """Safe from any thread; not across a fork.

    `reading_engine` and `writing_engine` share a pool and differ in how they begin a transaction.
    """

    def __init__(self, place: Place, reading_engine: Engine, writing_engine: Engine) -> None:
        self._place = place
        self._reading = reading_engine
        self._writing = writing_engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with reported(self._place), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        with reported(self._place), self._writing.connect() as connection:
            connection.begin()
            yield connection
            if keep:
                _commit(self._place, connection)
            else:
                connection.rollback()

    def close(self) -> None:
        self._reading.dispose()


class SqlStore(Transactions):
    """The control plane's."""

    def __init__(
        self, place: Place, reading_engine: Engine, writing_engine: Engine, vault: Vault
    ) -> None:
        super().__init__(
            place,
            reading_engine.execution_options(**{VAULT_OPTION: vault}),
            writing_engine.execution_options(**{VAULT_OPTION: vault}),
        )
        self._vault = vault

    @property
    def vault(self) -> Vault:
        return self._vault

    def generation(self) -> int:
        with self.reading() as connection:
            return read_generation(connection)


@contextmanager
def reported(place: Place) -> Iterator[None]:
    """Errors of the database become StoreFailed.

    Not chained to the driver's error, which may quote the values of a row.
    """
    try:
        yield
    except SQLAlchemyError as error:
        locked = is_locked(error)
        raised = StoreLocked(place) if locked else StoreFailed(place, problem_of(error))
        raise raised.with_traceback(error.__traceback__) from None


def is_locked(error: SQLAlchemyError) -> bool:
    """Whether it was waited for a lock that somebody else did not let go."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
    return getattr(original, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def problem_of(error: SQLAlchemyError) -> str:
    """One line, without the values that were sent."""
    original = error.orig if isinstance(error, DBAPIError) else error
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    return primary or str(original).strip().partition("\n")[0] or type(original).__name__


def _commit(place: Place, connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CommitUnanswered(place, problem_of(error)) from None
        raise
