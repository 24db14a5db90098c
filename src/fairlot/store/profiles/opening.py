"""Opening the database of profiles, and bringing its tables up to date."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, select

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import NewerStore, Place
from fairlot.store.profiles.anonymous_ids import add_anonymous_ids
from fairlot.store.profiles.store import PostgresProfileStore, ProfileStore, SqliteProfileStore
from fairlot.store.profiles.tables import metadata, profile_schema
from fairlot.store.sqlite import LOCK_WAIT_S


def open_profile_store(
    data_dir: Path, database_url: str | None = None, *, lock_wait_s: float = LOCK_WAIT_S
) -> ProfileStore:
    """Made and brought up to date as needed; of PostgreSQL `lock_timeout` in the URL says how long
    a writer waits. Raises StoreUnusable, NewerStore or StoreFailed."""
    store: ProfileStore
    if database_url is None:
        store = SqliteProfileStore(data_dir, lock_wait_s)
    else:
        store = PostgresProfileStore(database_url)
    try:
        with locked_directory(data_dir), store.writing() as connection:
            _bring_up_to_date(connection, store.place)
    except BaseException:
        store.close()
        raise
    return store


# Step n, counted from 1, brings version n to the next.
_STEPS: Final[Sequence[Callable[[Connection], None]]] = (add_anonymous_ids,)
_VERSION: Final = len(_STEPS) + 1


def _bring_up_to_date(connection: Connection, place: Place) -> None:
    if not inspect(connection).has_table(profile_schema.name):
        metadata.create_all(connection)
        connection.execute(profile_schema.insert().values(id=1, version=_VERSION, change_no=0))
        return
    version = connection.execute(select(profile_schema.c.version)).scalar_one()
    if version > _VERSION:
        raise NewerStore(place, f"profiles {version}")
    for step in _STEPS[version - 1 :]:
        step(connection)
    connection.execute(profile_schema.update().values(version=_VERSION))
