"""One way to open a store, whichever database it is in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from fairlot.store.errors import Place, StoreUnusable
from fairlot.store.ports import Store
from fairlot.store.sqlite import open_sqlite, sqlite_as_it_is


def open_store(data_dir: Path, secret: str | None, database_url: str | None = None) -> Store:
    """Open the PostgreSQL database at `database_url`, or without one the file in `data_dir`; made
    and migrated as needed.

    `secret` encrypts the signing keys; without one a key is kept in `secret.key` of `data_dir`.
    Raises StoreUnusable, NewerStore or WrongSecret, and then changes nothing. Several processes
    may open at once.
    """
    if database_url is None:
        return open_sqlite(data_dir, secret)
    with _driver_needed():
        from fairlot.store.postgres import open_postgres
    return open_postgres(database_url, data_dir, secret)


@contextmanager
def store_as_it_is(data_dir: Path, database_url: str | None) -> Iterator[tuple[Place, Connection]]:
    """Where it is, and a write transaction on it. Nothing is made, migrated or unsealed, and while
    it is open nobody else can open the store. Raises StoreUnusable."""
    if database_url is None:
        with sqlite_as_it_is(data_dir) as found:
            yield found
        return
    with _driver_needed():
        from fairlot.store.postgres import postgres_as_it_is
    with postgres_as_it_is(database_url, data_dir) as opened:
        yield opened


@contextmanager
def _driver_needed() -> Iterator[None]:
    """It is an extra, and takes a while to import."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise StoreUnusable(
            "FAIRLOT_DATABASE_URL",
            "the driver of PostgreSQL is not installed",
            "pip install 'fairlot[server,postgres]'",
        ) from None
