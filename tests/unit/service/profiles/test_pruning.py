"""What is forgotten in time, on both databases."""

import asyncio
from pathlib import Path

from sqlalchemy import func, select

from fairlot.profiles import claim_of_source, subject_identifier
from fairlot.service.profiles.pruning import EVENTS_KEPT_MS, GONE_KEPT_MS, prune
from fairlot.store.profiles.tables import profile_events, profiles
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench


def rows_in(bench: ProfileBench, table: object) -> int:
    with bench.profiles.store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_prune__old_events__go_and_the_others_stay(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:

        async def scenario() -> None:
            for number in range(1_200):
                await_at = NOW_MS - EVENTS_KEPT_MS - 1 - number
                bench.profiles.post(bench.work("anna", "view", at_ms=await_at))
            await bench.happen("anna", "view", at_ms=NOW_MS - EVENTS_KEPT_MS)

        asyncio.run(scenario())
        assert rows_in(bench, profile_events) == 1_201
        assert prune(bench.profiles.store, NOW_MS) == 1_200
        assert rows_in(bench, profile_events) == 1
        assert bench.stored(subject_identifier("anna")) is not None
        assert prune(bench.profiles.store, NOW_MS) == 0


def test_prune__merged_profiles__go_after_all_have_heard_of_it(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:

        async def scenario() -> None:
            for device in ("w1", "w2"):
                await bench.happen(claim_of_source("web", device))
                await bench.happen(claim_of_source("web", device, user_id="anna"))

        asyncio.run(scenario())
        assert rows_in(bench, profiles) == 2
        assert prune(bench.profiles.store, NOW_MS + GONE_KEPT_MS) == 0
        assert prune(bench.profiles.store, NOW_MS + GONE_KEPT_MS + 1) == 1
        assert bench.stored(subject_identifier("anna")) is not None


def test_prune__asked_to_stop__does_nothing(tmp_path: Path, database_url: str | None) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(bench.happen("anna", "view", at_ms=NOW_MS - EVENTS_KEPT_MS - 1))
        assert prune(bench.profiles.store, NOW_MS, lambda: True) == 0


def test_follow__after_a_long_stop__starts_with_an_empty_memory(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(bench.happen("anna"))
        anna = [subject_identifier("anna")]
        bench.profiles.follow()
        assert bench.profiles.in_memory(PROJECT, anna) is not None
        bench.now_ms += GONE_KEPT_MS
        bench.profiles.follow()
        assert bench.profiles.in_memory(PROJECT, anna) is None
