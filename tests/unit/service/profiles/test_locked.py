"""Another process holds the lock of the database's writers: who waits is told in time."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import psycopg
import pytest
from sqlalchemy import Connection, text

from fairlot.profiles import Profile, subject_identifier
from fairlot.service.profiles import CHANGES_PER_COMMIT, KnownProfiles, ProfilesUnavailable
from fairlot.service.reactions import NO_RULES
from fairlot.store.errors import StoreLocked
from fairlot.store.postgres import PROFILES_LOCK
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.store import PROFILES_FILE, SqliteProfileStore
from fairlot.warehouse.log import EventLog
from support.profile_bench import NOW_MS, ProfileBench, profile_bench
from support.waiting import wait_for

LOCK_WAIT_S: Final = 2.0
IN_TIME_S: Final = 3 * LOCK_WAIT_S
"""The wait for the lock that is under way, and one more; the rest is for a busy machine."""


@contextmanager
def locked(tmp_path: Path, database_url: str | None) -> Iterator[None]:
    """By a connection of somebody else."""
    if database_url is None:
        path = tmp_path / PROFILES_FILE
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [PROFILES_LOCK])
        yield


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    url = database_url
    if url is not None:
        url += f"?options=-c%20lock_timeout%3D{LOCK_WAIT_S:g}s"
    with profile_bench(tmp_path, url, lock_wait_s=LOCK_WAIT_S) as made:
        yield made


async def ask_until_it_is_over(bench: ProfileBench) -> None:
    """Who asks just when those in line are told of a lock is told of it too."""
    with suppress(ProfilesUnavailable):
        await bench.profiles.apply(bench.work("somebody else"))


def counted(profile: Profile) -> Profile:
    seen_so_far = profile.attributes.get("count", 0)
    return msgspec.structs.replace(profile, attributes={"count": seen_so_far + 1})


def test_locked__who_waits__is_told_in_time_and_may_ask_again(
    bench: ProfileBench, tmp_path: Path, database_url: str | None
) -> None:
    works = [
        bench.work(f"s{each}", f"view-{each}", steps=[counted], once=True)
        for each in range(CHANGES_PER_COMMIT + 10)  # more than one commit takes
    ]
    told_after_s = []

    async def told() -> None:
        began = time.monotonic()
        asked = [bench.profiles.apply(work) for work in works]
        for each in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(each, ProfilesUnavailable)
            assert "another process writes" in str(each)
        told_after_s.append(time.monotonic() - began)

    async def scenario() -> None:
        await bench.happen("first")
        with locked(tmp_path, database_url):
            bench.profiles.post(bench.work("posted", "seen", steps=[counted]))
            early = asyncio.ensure_future(told())
            await asyncio.sleep(LOCK_WAIT_S / 2)
            await asyncio.gather(early, told())
            assert max(told_after_s) < IN_TIME_S
            assert bench.profiles.queued == 1
            assert not bench.profiles.usable
        await ask_until_it_is_over(bench)
        again = await asyncio.gather(*(bench.profiles.apply(work) for work in works))
        assert all(each.new_events for each in again)
        wait_for(lambda: bench.profiles.queued == 0)
        assert bench.profiles.usable
        for who in ("posted", "s0", f"s{CHANGES_PER_COMMIT}"):
            stored = bench.stored(subject_identifier(who))
            assert stored is not None
            assert stored.attributes == {"count": 1}

    asyncio.run(scenario())


class LockedLater(SqliteProfileStore):
    """From its `from_try`-th transaction on; none begins before it `may_go`."""

    tries = 0
    from_try = 0

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.may_go = threading.Event()
        self.may_go.set()

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        self.tries += 1
        self.may_go.wait(60)
        if self.from_try and self.tries >= self.from_try:
            raise StoreLocked(self.place)
        with super().writing(keep=keep) as connection:
            yield connection


def test_locked__while_the_one_that_cannot_be_stored_is_looked_for__nothing_more_is_tried(
    tmp_path: Path,
) -> None:
    open_profile_store(tmp_path).close()
    store = LockedLater(tmp_path)
    log = EventLog.open(tmp_path / "events")
    profiles = KnownProfiles(store, log, NO_RULES, lambda: NOW_MS)
    bench = ProfileBench(profiles, log, tmp_path / "events")
    poison = (
        "CREATE TRIGGER refusing BEFORE INSERT ON profile_events WHEN NEW.name = 'poison'"
        " BEGIN SELECT RAISE(ABORT, 'cannot be stored'); END"
    )

    async def scenario() -> None:
        with store.writing() as connection:
            connection.execute(text(poison))
        works = [bench.work(f"s{each}", f"view-{each}") for each in range(16)]
        works.append(bench.work("mallory", "poison"))
        store.may_go.clear()
        before = store.tries
        profiles.post(bench.work("first", "view"))  # while it is written, all others come together
        wait_for(lambda: store.tries > before)
        first_half = store.tries + 3  # after all together, and a look whether anything works
        store.from_try = first_half
        asked = [asyncio.ensure_future(profiles.apply(work)) for work in works]
        while profiles.queued <= len(works):
            await asyncio.sleep(0)
        store.may_go.set()
        for each in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(each, ProfilesUnavailable)
            assert "another process writes" in str(each)
        assert store.tries == first_half
        store.from_try = 0
        await ask_until_it_is_over(bench)
        assert (await profiles.apply(works[0])).is_new

    asyncio.run(scenario())
    profiles.close(5)
    log.close(5)
