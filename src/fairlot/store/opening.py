"""One way to open a store, whichever database it is in."""

from pathlib import Path

from fairlot.store.errors import StoreUnusable
from fairlot.store.ports import Store
from fairlot.store.sqlite import open_sqlite


def open_store(data_dir: Path, secret: str | None, database_url: str | None = None) -> Store:
    """Open the PostgreSQL database at `database_url`, or without one the file in `data_dir`; made
    and migrated as needed.

    `secret` encrypts the signing keys; without one a key is kept in `secret.key` of `data_dir`.
    Raises StoreUnusable, NewerStore or WrongSecret, and then changes nothing. Several processes
    may open at once.
    """
    if database_url is None:
        return open_sqlite(data_dir, secret)
    try:
        from fairlot.store.postgres import open_postgres  # its driver is an extra
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise StoreUnusable(
            "FAIRLOT_DATABASE_URL",
            "the driver of PostgreSQL is not installed",
            "pip install 'fairlot[server,postgres]'",
        ) from None
    return open_postgres(database_url, data_dir, secret)
