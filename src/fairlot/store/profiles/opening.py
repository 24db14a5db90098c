"""Opening the database of profiles, and bringing its tables up to date."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, inspect, select

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import NewerStore, Place
from fairlot.store.profiles.anonymous_ids import add_anonymous_ids, remove_anonymous_ids
from fairlot.store.profiles.store import (
    PROFILES_FILE,
    PostgresProfileStore,
    ProfileStore,
    SqliteProfileStore,
)
from fairlot.store.profiles.tables import metadata, profile_schema
from fairlot.store.sqlite import LOCK_WAIT_S


class _Step(NamedTuple):
    up: Callable[[Connection], None]
    down: Callable[[Connection], None]


# Step n, counted from 1, is between version n and the next.
_STEPS: Final[Sequence[_Step]] = (_Step(add_anonymous_ids, remove_anonymous_ids),)
LATEST_PROFILES: Final = len(_STEPS) + 1


def open_profile_store(
    data_dir: Path, database_url: str | None = None, *, lock_wait_s: float = LOCK_WAIT_S
) -> ProfileStore:
    """Made and brought up to date as needed, which waits for whoever does so already; of PostgreSQL
    `lock_timeout` in the URL says how long any other writer waits. Raises StoreUnusable, NewerStore
    or StoreFailed."""
    store = _store(data_dir, database_url, lock_wait_s)
    try:
        if not _is_up_to_date(store):
            with locked_directory(data_dir), store.alone() as connection:
                if _has_tables(connection):
                    bring_profiles_to(connection, store.place, LATEST_PROFILES)
                else:
                    _make(connection)
    except BaseException:
        store.close()
        raise
    return store


@contextmanager
def profiles_as_they_are(
    data_dir: Path, database_url: str | None
) -> Iterator[tuple[Place, Connection] | None]:
    """Where they are, and a write transaction on them; None before they are first needed. Nothing
    is made or brought up to date."""
    if database_url is None and not (data_dir / PROFILES_FILE).exists():
        yield None
        return
    with (
        closing(_store(data_dir, database_url, LOCK_WAIT_S)) as store,
        locked_directory(data_dir),
        store.alone() as connection,
    ):
        yield (store.place, connection) if _has_tables(connection) else None


def version_of_profiles(connection: Connection, place: Place) -> int:
    """Raises NewerStore for one that this Fairlot does not know."""
    version: int = connection.execute(select(profile_schema.c.version)).scalar_one()
    if version > LATEST_PROFILES:
        raise NewerStore(place, f"profiles {version}")
    return version


def bring_profiles_to(connection: Connection, place: Place, version: int) -> None:
    """Up or down. Raises NewerStore."""
    before = version_of_profiles(connection, place)
    for step in _STEPS[before - 1 : version - 1]:
        step.up(connection)
    for step in reversed(_STEPS[version - 1 : before - 1]):
        step.down(connection)
    connection.execute(profile_schema.update().values(version=version))


def _is_up_to_date(store: ProfileStore) -> bool:
    """Without a lock: a kill must not wait for who writes profiles."""
    with store.reading() as connection:
        if not _has_tables(connection):
            return False
        return version_of_profiles(connection, store.place) == LATEST_PROFILES


def _has_tables(connection: Connection) -> bool:
    return inspect(connection).has_table(profile_schema.name)


def _make(connection: Connection) -> None:
    metadata.create_all(connection)
    start = {"id": 1, "version": LATEST_PROFILES, "change_no": 0}
    connection.execute(profile_schema.insert().values(start))


def _store(data_dir: Path, database_url: str | None, lock_wait_s: float) -> ProfileStore:
    if database_url is None:
        return SqliteProfileStore(data_dir, lock_wait_s)
    return PostgresProfileStore(database_url)
