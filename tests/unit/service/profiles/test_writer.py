"""What may happen to works between their caller and the disk."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from fairlot.profiles import Profile, claim_of_subject, subject_identifier
from fairlot.service.profiles import ProfilesUnavailable, Step
from fairlot.store import StoreFailed
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.store import SqliteProfileStore
from support.cut_wire import CutWire
from support.postgres import Cluster, new_cluster, shared_directory, stop_cluster
from support.profile_bench import PROJECT, ProfileBench, profile_bench
from support.waiting import wait_for


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def raises(_profile: Profile) -> Profile:
    raise RuntimeError("anna@example.com has a strange profile")


def counted(profile: Profile) -> Profile:
    """One more each time that it runs."""
    seen_so_far = profile.attributes.get("count", 0)
    return msgspec.structs.replace(profile, attributes={"count": seen_so_far + 1})


REFUSE_ALL = ("BEFORE UPDATE ON profile_schema", "")
REFUSE_FUNCTION = (
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RAISE EXCEPTION ''disk full''; END'"
)
REFUSE_POISON = ("BEFORE INSERT ON profile_events", "WHEN (NEW.name = 'poison')")


@contextmanager
def refusing(bench: ProfileBench, when: tuple[str, str]) -> Iterator[None]:
    """The database itself refuses such changes."""
    store = bench.profiles.store
    of_what, which = when
    table = of_what.rpartition(" ")[2]
    statements = [
        f"CREATE TRIGGER refusing {of_what} {which} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    ]
    undone = "DROP TRIGGER refusing"
    if not isinstance(store, SqliteProfileStore):
        statements = [
            REFUSE_FUNCTION,
            f"CREATE TRIGGER refusing {of_what} FOR EACH ROW {which} EXECUTE FUNCTION refuse()",
        ]
        undone = f"DROP TRIGGER refusing ON {table}"
    execute(store, *statements)
    yield
    execute(store, undone)


def execute(store: ProfileStore, *statements: str) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_step__that_raises__fails_alone_and_is_logged_without_what_it_said(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        works = [bench.work(f"s{each}", "view", steps=[counted]) for each in range(10)]
        works[4] = bench.work("s4", "view", steps=[counted, raises])
        outcomes = await asyncio.gather(
            *(bench.profiles.apply(work) for work in works), return_exceptions=True
        )
        failed = [each for each in outcomes if isinstance(each, BaseException)]
        assert len(failed) == 1
        assert isinstance(outcomes[4], ProfilesUnavailable)
        assert bench.stored(subject_identifier("s4")) is None
        for each in (0, 9):
            stored = bench.stored(subject_identifier(f"s{each}"))
            assert stored is not None
            assert stored.attributes == {"count": 1}

    with capture_logs() as logs:
        asyncio.run(scenario())
    (logged,) = [each for each in logs if each["event"] == "profiles.change_failed"]
    assert logged["kind"] == "RuntimeError"
    assert "anna" not in str(logged)


def test_works_together__one_of_which_raises__are_all_undone(bench: ProfileBench) -> None:
    async def scenario() -> None:
        works = [bench.work("a", "view"), bench.work("b", steps=[raises])]
        with pytest.raises(ProfilesUnavailable, match="the log says why"):
            await bench.profiles.apply_all(works)
        assert bench.stored(subject_identifier("a")) is None
        assert (await bench.happen("a", "view")).new_events

    asyncio.run(scenario())


def test_posted__that_can_never_be_stored__does_not_hold_up_the_rest(bench: ProfileBench) -> None:
    async def scenario() -> None:
        bench.profiles.post(bench.work("a", steps=[raises]))
        bench.profiles.post(bench.work("b"))
        assert (await bench.happen("c")).is_new
        wait_for(lambda: bench.profiles.queued == 0)
        assert bench.stored(subject_identifier("b")) is not None

    asyncio.run(scenario())


def test_database__refuses_all_changes__who_waits_is_told_and_the_rest_follows_in_order(
    bench: ProfileBench,
) -> None:
    def named(name: str) -> Step:
        def step(profile: Profile) -> Profile:
            order = [*profile.attributes.get("order", []), name]
            return msgspec.structs.replace(profile, attributes={"order": order})

        return step

    async def scenario() -> None:
        await bench.happen("anna")
        with refusing(bench, REFUSE_ALL):
            for name in ("1", "2", "3"):
                bench.profiles.post(bench.work("anna", steps=[named(name)]))
            with pytest.raises(ProfilesUnavailable, match="disk full"):
                await bench.happen("anna")
            assert bench.profiles.queued == 3
            assert bench.profiles.figures.failures > 0
        wait_for(lambda: bench.profiles.queued == 0)
        stored = bench.stored(subject_identifier("anna"))
        assert stored is not None
        assert stored.attributes == {"order": ["1", "2", "3"]}

    with capture_logs() as logs:
        asyncio.run(scenario())
    told = [each["event"] for each in logs]
    assert told == ["profiles.write_failed", "profiles.written_again"]


def test_database__refuses_one_change__takes_all_others(bench: ProfileBench) -> None:
    async def scenario() -> None:
        with refusing(bench, REFUSE_POISON):
            bench.profiles.post(bench.work("mallory", "poison"))
            works = [bench.work(f"s{each}", "view") for each in range(20)]
            works[13] = bench.work("s13", "poison", at_ms=bench.now_ms + 1)
            outcomes = await asyncio.gather(
                *(bench.profiles.apply(work) for work in works), return_exceptions=True
            )
            failed = [each for each in outcomes if isinstance(each, BaseException)]
            assert len(failed) == 1
            assert isinstance(outcomes[13], ProfilesUnavailable)
            wait_for(lambda: bench.profiles.queued == 0)  # it is given up, too
        assert bench.profiles.figures.refused == 1
        assert bench.stored(subject_identifier("mallory")) is None

    asyncio.run(scenario())


def test_queue__full__refuses_at_once_and_takes_again_when_it_is_not(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url, bound=10) as bench:

        async def scenario() -> None:
            with refusing(bench, REFUSE_ALL):
                for each in range(10):
                    bench.profiles.post(bench.work(f"s{each}"))
                with pytest.raises(ProfilesUnavailable, match="too much waits"):
                    bench.profiles.post(bench.work("late"))
                with pytest.raises(ProfilesUnavailable, match="too much waits"):
                    await bench.happen("late")
            wait_for(lambda: bench.profiles.queued == 0)
            assert (await bench.happen("late")).is_new

        asyncio.run(scenario())


def test_many_works_together__more_than_a_statement_has_room_for__are_applied(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        works = [bench.work(f"s{each}", f"view-{each}") for each in range(12_000)]
        applied = await bench.profiles.apply_all(works)
        assert all(each.is_new for each in applied)
        again = await bench.profiles.apply_all(works)
        assert not any(each.is_new or each.new_events for each in again)

    asyncio.run(scenario())


def test_close__database_refuses__tells_who_waits_and_counts_what_is_lost(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        with refusing(bench, REFUSE_ALL):
            bench.profiles.post(bench.work("lost"))
            waiting = asyncio.ensure_future(bench.happen("anna"))
            await asyncio.sleep(0)
            await asyncio.to_thread(bench.profiles.close, 0.5)
            with pytest.raises(ProfilesUnavailable):
                await asyncio.wait_for(waiting, 5)
            with pytest.raises(ProfilesUnavailable, match="closed"):
                await bench.happen("bert")

    with capture_logs() as logs:
        asyncio.run(scenario())
    (told,) = [each for each in logs if each["event"] == "profiles.closed_with_work_queued"]
    assert told["queued"] == 1


def test_close__with_work_queued__writes_it(tmp_path: Path, database_url: str | None) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        for each in range(100):
            bench.profiles.post(bench.work(f"s{each}"))
    with profile_bench(tmp_path, database_url) as bench:
        assert bench.stored(subject_identifier("s99")) is not None


def test_caller__gone_meanwhile__leaves_the_change_and_the_writer(bench: ProfileBench) -> None:
    async def scenario() -> None:
        gone = asyncio.ensure_future(bench.happen("anna"))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await bench.happen("bert")).is_new
        assert bench.stored(subject_identifier("anna")) is not None

    asyncio.run(scenario())


def test_log__takes_nothing__no_profile_says_what_the_log_does_not(bench: ProfileBench) -> None:
    async def scenario() -> None:
        await bench.happen("v1")
        bench.log.close(1)
        with pytest.raises(ProfilesUnavailable, match="event log"):
            await bench.happen(claim_of_subject("v1", user_id="anna"))
        stored = bench.stored(subject_identifier("v1"))
        assert stored is not None
        assert stored.user_id is None

    asyncio.run(scenario())


@pytest.fixture
def wire(database_url: str | None) -> Iterator[CutWire | None]:
    """To PostgreSQL; a file has none."""
    if database_url is None:
        yield None
        return
    made = CutWire(urlsplit(database_url).port or 0)
    yield made
    made.close()


@pytest.mark.parametrize("answered", [True, False])
def test_commit__whose_answer_is_lost__is_made_once_and_told_as_it_is(
    tmp_path: Path, database_url: str | None, wire: CutWire | None, answered: bool
) -> None:
    url = database_url if wire is None or database_url is None else wire.url(database_url)
    with profile_bench(tmp_path, url) as bench:

        async def scenario() -> None:
            await bench.happen("first")
            if wire is not None:
                wire.cut_at(b"COMMIT\0", answered=answered)
            if wire is not None and not answered:
                with pytest.raises(ProfilesUnavailable, match="cannot be used"):
                    await bench.happen("anna", "view", steps=[counted])
                assert bench.stored(subject_identifier("anna")) is None
            done = await bench.happen("anna", "view", steps=[counted])
            assert done.is_new
            assert done.new_events
            assert done.profile == bench.stored(subject_identifier("anna"))
            assert done.profile is not None
            assert done.profile.attributes == {"count": 1}

        asyncio.run(scenario())
    assert wire is None or wire.cuts == 1


@pytest.fixture
def own_cluster(postgres: Cluster) -> Iterator[Cluster]:
    """Of this test alone; `postgres` is skipped where there is no server to start."""
    del postgres
    directory = shared_directory()
    cluster = new_cluster(directory / "cluster")
    yield cluster
    stop_cluster(cluster)


@pytest.mark.postgres
def test_server__away_for_a_while__who_waits_is_told_and_posted_works_are_kept(
    tmp_path: Path, own_cluster: Cluster
) -> None:
    with (
        own_cluster.new_database() as url,
        profile_bench(tmp_path, url) as bench,
        capture_logs() as logs,
    ):

        async def scenario() -> None:
            await bench.happen("anna")
            own_cluster.stop()
            began = time.monotonic()
            bench.profiles.post(bench.work("bert", "view"))
            with pytest.raises(ProfilesUnavailable):
                await bench.happen("carl")
            with pytest.raises(ProfilesUnavailable):
                await bench.profiles.find(PROJECT, [subject_identifier("carl")])
            anna = await bench.profiles.find(PROJECT, [subject_identifier("anna")])
            assert anna is not None
            with pytest.raises(StoreFailed):
                bench.profiles.follow()
            assert time.monotonic() - began < 8
            own_cluster.start()
            wait_for(lambda: bench.profiles.queued == 0)
            bench.profiles.follow()
            assert (await bench.happen("carl")).is_new
            found = await bench.profiles.find(PROJECT, [subject_identifier("bert")])
            assert found is not None

        asyncio.run(scenario())
    assert "profiles.written_again" in [each["event"] for each in logs]
