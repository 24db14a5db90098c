"""Opening the database of profiles."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from fairlot.profiles import claim_of_source, claim_of_subject, source_identifier
from fairlot.service.profiles import KnownProfiles
from fairlot.service.reactions import NO_RULES
from fairlot.store import StoreFailed, StoreUnusable
from fairlot.store.errors import NewerStore, StoreLocked
from fairlot.store.profiles import PROFILES_FILE, ProfileStore, open_profile_store
from fairlot.store.profiles.called import who_answers
from fairlot.store.profiles.opening import bring_profiles_to
from fairlot.warehouse.stored import StoredLog
from support.postgres import Cluster
from support.profile_bench import PROJECT, profile_bench

OWNERS = {"web": "anna", "app": "bo"}


def test_open__twice__keeps_what_is_there(tmp_path: Path, database_url: str | None) -> None:
    for expected in (1, 2):
        with closing(open_profile_store(tmp_path, database_url)) as store:
            with store.writing() as connection:
                connection.execute(text("UPDATE profile_schema SET change_no = change_no + 1"))
            with store.reading() as connection:
                found = connection.execute(text("SELECT change_no FROM profile_schema"))
                assert found.scalar_one() == expected


def test_open__of_a_later_version__is_refused(tmp_path: Path, database_url: str | None) -> None:
    with (
        closing(open_profile_store(tmp_path, database_url)) as store,
        store.writing() as connection,
    ):
        connection.execute(text("UPDATE profile_schema SET version = 99"))
    try:
        with pytest.raises(NewerStore, match="profiles 99"):
            open_profile_store(tmp_path, database_url)
    finally:
        if database_url is not None:  # the next test gets the same database
            import psycopg

            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("UPDATE profile_schema SET version = 2")


def test_open__of_the_first_version__looks_up_the_anonymous_ids_that_are_there(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        for source_id, user_id in OWNERS.items():
            asyncio.run(bench.happen(claim_of_subject(user_id, user_id=user_id)))
            asyncio.run(bench.happen(claim_of_source(source_id, "device", user_id=user_id)))
        newest = shape_of(bench.profiles.store)
    with closing(open_profile_store(tmp_path, database_url)) as store:
        with store.writing() as connection:
            connection.execute(text("DROP INDEX ix_profile_identifiers_anonymous_digest"))
            connection.execute(text("ALTER TABLE profile_identifiers DROP COLUMN anonymous_digest"))
            connection.execute(text("UPDATE profile_schema SET version = 1"))
        first = shape_of(store)

    with closing(open_profile_store(tmp_path, database_url)) as store:
        assert first != shape_of(store) == newest
        with store.reading() as connection:
            found = who_answers(connection, PROJECT, "device")
        assert {each.user_id for each in found.all} == set(OWNERS.values())
        assert set(found.sources) == {source_identifier(each, "device") for each in OWNERS}
        with store.writing() as connection:
            bring_profiles_to(connection, store.place, 1)
        assert shape_of(store) == first


@pytest.mark.postgres
def test_alone__on_postgresql__may_take_as_long_as_it_does(
    tmp_path: Path, postgres: Cluster
) -> None:
    with postgres.new_database() as url:
        limited = f"{url}?options=-c%20lock_timeout%3D100ms"
        with closing(open_profile_store(tmp_path, limited)) as store:
            with store.writing() as connection:
                assert shown(connection, "lock_timeout") == "100ms"
            with store.alone() as connection:
                limits = shown(connection, "lock_timeout"), shown(connection, "statement_timeout")
                assert limits == ("0", "0")
                with pytest.raises(StoreLocked), store.writing():
                    pass
                open_profile_store(tmp_path, limited).close()  # is up to date, and asks for no lock


def shown(connection: Connection, setting: str) -> str:
    found: str = connection.execute(text(f"SHOW {setting}")).scalar_one()
    return found


def shape_of(store: ProfileStore) -> tuple[object, object]:
    """Of the names: columns and indexes."""
    with store.reading() as connection:
        names = inspect(connection)
        columns = names.get_columns("profile_identifiers")
        indexes = names.get_indexes("profile_identifiers")
    return (
        [(each["name"], repr(each["type"]), each["nullable"]) for each in columns],
        sorted((each["name"], *each["column_names"], wheres_of(each)) for each in indexes),
    )


def wheres_of(index: ReflectedIndex) -> str:
    return " ".join(str(each) for each in index.get("dialect_options", {}).values())


def test_open__file_that_is_no_database__says_which(tmp_path: Path) -> None:
    (tmp_path / PROFILES_FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreFailed, match=PROFILES_FILE):
        open_profile_store(tmp_path)


def test_file__is_private_and_overwrites_what_is_deleted(tmp_path: Path) -> None:
    with closing(open_profile_store(tmp_path)) as store, store.reading() as connection:
        assert connection.execute(text("PRAGMA secure_delete")).scalar_one() == 1
        assert (tmp_path / PROFILES_FILE).stat().st_mode & 0o077 == 0


def test_file__replaced_while_it_is_open__is_noticed(tmp_path: Path) -> None:
    store = open_profile_store(tmp_path)
    known = KnownProfiles(store, StoredLog(tmp_path / "events"), NO_RULES, lambda: 0)
    assert known.usable
    (tmp_path / PROFILES_FILE).rename(tmp_path / "aside.db")
    sqlite3.connect(tmp_path / PROFILES_FILE).close()
    assert not known.usable
    with pytest.raises(StoreUnusable, match="replaced while it was open"):
        known.follow()
    known.close(1)
