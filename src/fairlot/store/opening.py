"""One way to open a store, whichever database it is in."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection

from fairlot.store.errors import Place, StoreUnusable
from fairlot.store.migrations import LATEST
from fairlot.store.ports import Database, Store
from fairlot.store.schema import bring_to
from fairlot.store.sqlite import SqliteDatabase
from fairlot.store.unlocking import check_length, open_vault
from fairlot.store.vault import VAULT_OPTION, Vault

Migrated: TypeAlias = Callable[[Connection, str | None], None]
"""What belongs to a migration and needs the vault: given the transaction that has brought the
tables up to date, and the revision before."""


def open_store(
    data_dir: Path,
    secret: str | None,
    database_url: str | None = None,
    migrated: Migrated | None = None,
) -> Store:
    """Open the PostgreSQL database at `database_url`, or without one the file in `data_dir`; made
    and migrated as needed.

    `secret` encrypts the signing keys; without one a key is kept in `secret.key` of `data_dir`.
    Raises StoreUnusable, NewerStore or WrongSecret, and then changes nothing. Several processes
    may open at once. `migrated` is called if there was anything to migrate.
    """
    database = _database(data_dir, database_url)
    check_length(database.place, secret)
    try:
        with database.alone() as connection:
            before = bring_to(connection, database.place, LATEST)
            vault = unlock(connection, database.place, data_dir, secret)
            if migrated is not None and before != LATEST:
                migrated(connection, before)
    except BaseException:
        database.close()
        raise
    return database.store(vault)


def unlock(connection: Connection, place: Place, data_dir: Path, secret: str | None) -> Vault:
    """The vault, which the transaction seals with from then on. Raises WrongSecret."""
    check_length(place, secret)
    vault = open_vault(connection, place, data_dir, secret)
    connection.execution_options(**{VAULT_OPTION: vault})
    return vault


@contextmanager
def store_as_it_is(data_dir: Path, database_url: str | None) -> Iterator[tuple[Place, Connection]]:
    """Where it is, and a write transaction on it. Nothing is made, migrated or unsealed, and while
    it is open nobody else can open the store. Raises StoreUnusable."""
    with closing(_database(data_dir, database_url)) as database:
        if isinstance(database.place, Path) and not database.place.exists():
            raise StoreUnusable(database.place, "is not there", "make one with `fairlot init`")
        with database.alone() as connection:
            yield database.place, connection


def _database(data_dir: Path, url: str | None) -> Database:
    if url is None:
        return SqliteDatabase(data_dir)
    try:
        from fairlot.store.postgres import PostgresDatabase  # its driver is an extra
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise StoreUnusable(
            "FAIRLOT_DATABASE_URL",
            "the driver of PostgreSQL is not installed",
            "pip install 'fairlot[server,postgres]'",
        ) from None
    return PostgresDatabase(url, data_dir)
