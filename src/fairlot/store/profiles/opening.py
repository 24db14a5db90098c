"""Opening the database of profiles: a file of the data directory, or tables in PostgreSQL."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, event, inspect, select

from fairlot.store.data_directory import locked_directory
from fairlot.store.errors import NewerStore, Place
from fairlot.store.profiles.tables import metadata, profile_schema
from fairlot.store.sql_store import Transactions
from fairlot.store.sqlite import create_private, sqlite_engine, writing

PROFILES_FILE: Final = "profiles.db"


class ProfileStore(Transactions):
    """Transactions over the tables of `fairlot.store.profiles.tables`; one writer at a time."""

    @property
    def place(self) -> Place:
        return self._place


def open_profile_store(data_dir: Path, database_url: str | None = None) -> ProfileStore:
    """Made and brought up to date as needed. Raises StoreUnusable, NewerStore or StoreFailed."""
    store = _in_file(data_dir) if database_url is None else _in_postgres(database_url)
    try:
        with locked_directory(data_dir), store.writing() as connection:
            _bring_up_to_date(connection, store.place)
    except BaseException:
        store.close()
        raise
    return store


def _in_file(data_dir: Path) -> ProfileStore:
    path = data_dir / PROFILES_FILE
    with locked_directory(data_dir):
        create_private(path)
    engine = sqlite_engine(path)
    event.listen(engine, "connect", _erase_what_is_deleted)
    return ProfileStore(path, engine, writing(engine))


def _in_postgres(url: str) -> ProfileStore:
    from fairlot.store import postgres  # its driver is an extra
    from fairlot.store.postgres_connection import parameters_of, place_of

    parameters = parameters_of(url)
    engine: Engine = postgres.postgres_engine(parameters)
    return ProfileStore(
        place_of(parameters),
        postgres.reading(engine),
        postgres.writing(engine, postgres.PROFILES_LOCK),
    )


def _erase_what_is_deleted(connection: object, _record: object) -> None:
    connection.execute("PRAGMA secure_delete = ON")  # type: ignore[attr-defined]


def _first_version(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(profile_schema.insert().values(id=1, version=0, change_no=0))


# Step n brings version n - 1 to version n.
_STEPS: Final[Sequence[Callable[[Connection], None]]] = (_first_version,)


def _bring_up_to_date(connection: Connection, place: Place) -> None:
    version = 0
    if inspect(connection).has_table(profile_schema.name):
        version = connection.execute(select(profile_schema.c.version)).scalar_one()
    if version > len(_STEPS):
        raise NewerStore(place, f"profiles {version}")
    for step in _STEPS[version:]:
        step(connection)
    connection.execute(profile_schema.update().values(version=len(_STEPS)))
