"""Who refreshes when, on both databases."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.service.feeds import Incoming, KnownFeeds, RefreshRunning
from fairlot.service.feeds.refreshing import LEASE_MS, Refresher
from fairlot.service.feeds.sources import with_built_in
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.store.profiles import catalogs as catalog_rows
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.tables import catalogs, product_days, products
from support.feed_bench import DAY_MS, PROJECT, FeedBench, feed_bench

POPULAR, NEWEST, VIEWED = FeedAlgorithm
EVERY_MS = 300_000


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[FeedBench]:
    with feed_bench(tmp_path, database_url) as made:
        yield made


def lease(bench: FeedBench, **columns: Any) -> None:
    with bench.feeds.store.writing() as connection:
        connection.execute(catalogs.update().values(**columns))


def test_due__never_refreshed_or_too_old__is_done_once(bench: FeedBench) -> None:
    assert bench.feeds.refresh_due(EVERY_MS) == 0
    bench.put("a")
    assert bench.feeds.refresh_due(EVERY_MS) == 1
    assert bench.feeds.refresh_due(EVERY_MS) == 0
    bench.put("b")
    bench.now_ms += EVERY_MS - 1
    assert bench.feeds.refresh_due(EVERY_MS) == 0
    bench.now_ms += 1
    assert bench.feeds.refresh_due(EVERY_MS) == 1


def test_due__feeds_defined_anew__is_done_at_once(bench: FeedBench) -> None:
    bench.put("a", "b")
    bench.feeds.refresh_due(EVERY_MS)
    bench.defined = [Feed("own", NEWEST, exclude={"id": "a"})]
    assert bench.feeds.refresh_due(EVERY_MS) == 1
    bench.feeds.follow()
    assert asyncio.run(bench.ids("own")) == ["b"]
    bench.defined = [replace(bench.defined[0], exclude={"id": "b"})]
    assert bench.feeds.refresh_due(EVERY_MS) == 1
    bench.defined = []
    assert bench.feeds.refresh_due(EVERY_MS) == 1
    assert bench.feeds.refresh_due(EVERY_MS) == 0


def test_due__while_another_process_refreshes__is_left_to_it(bench: FeedBench) -> None:
    bench.put("a")
    lease(bench, lease_holder="other", lease_until_ms=bench.now_ms + LEASE_MS)
    assert bench.feeds.refresh_due(EVERY_MS) == 0
    with pytest.raises(RefreshRunning, match="being refreshed already; try again in a minute"):
        bench.feeds.refresh_now(PROJECT, waits_s=0)
    bench.now_ms += LEASE_MS  # it was killed
    assert bench.feeds.refresh_due(EVERY_MS) == 1


def test_refresh__of_one_that_another_has_taken_over__writes_nothing(bench: FeedBench) -> None:
    bench.put("a", "b")
    taken: list[str] = []

    def defined(project_id: str) -> dict[str, Feed]:
        if not taken:  # it took so long that it seemed dead
            taken.append(project_id)
            bench.now_ms += LEASE_MS
            lease(bench, lease_holder="other", lease_until_ms=bench.now_ms + LEASE_MS)
        return with_built_in(())

    slow = Refresher(bench.feeds.store, defined, lambda: bench.now_ms)
    with pytest.raises(RefreshRunning):
        slow.refresh(PROJECT, waits_s=0)
    with bench.feeds.store.reading() as connection:
        assert catalog_rows.read_catalogs(connection)[PROJECT].results_no == 0
        holder = connection.execute(select(catalogs.c.lease_holder)).scalar_one()
    assert holder == "other"


def test_refresh__that_fails__lets_the_next_one_begin(bench: FeedBench) -> None:
    bench.put("a")
    refresher = Refresher(bench.feeds.store, _failing_once(), lambda: bench.now_ms)
    with pytest.raises(LookupError):
        refresher.refresh(PROJECT, waits_s=0)
    assert refresher.refresh(PROJECT, waits_s=0)


def _failing_once() -> Callable[[str], dict[str, Feed]]:
    failures = [LookupError("once")]

    def defined(_project_id: str) -> dict[str, Feed]:
        if failures:
            raise failures.pop()
        return with_built_in(())

    return defined


def test_refresh__a_feed_whose_filter_cannot_be_used__leaves_the_others_whole(
    bench: FeedBench,
) -> None:
    bench.put("a")
    bench.defined = [Feed("broken", NEWEST, only={"id": {"$nope": 1}})]
    assert bench.feeds.refresh_due(EVERY_MS) == 1
    assert bench.feeds.refresh_due(EVERY_MS) == 0
    bench.feeds.follow()
    assert asyncio.run(bench.ids("broken")) == []
    assert asyncio.run(bench.ids("newest")) == ["a"]


def test_refresh__once_a_day__forgets_what_is_old(
    bench: FeedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def happen() -> None:
        for product_id in ("a", "made up", "z"):
            for days_ago in (1, 29, 30, 399, 400):
                await bench.happen("s", "Product viewed", product_id, days_ago=days_ago)

    def kept() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        with bench.feeds.store.reading() as connection:
            columns = (product_days.c.product_id, product_days.c.day)
            for product_id, day in connection.execute(select(*columns)):
                found.setdefault(product_id, []).append(bench.now_ms // DAY_MS - day)
        return {product_id: sorted(ages) for product_id, ages in found.items()}

    monkeypatch.setattr("fairlot.service.feeds.refreshing._FORGOTTEN_AT_ONCE", 1)
    bench.put("a", "z")
    asyncio.run(happen())
    bench.feeds.refresh_now(PROJECT)
    ages = {"a": [1, 29, 30, 399], "made up": [1, 29], "z": [1, 29, 30, 399]}
    assert kept() == ages
    bench.now_ms += 60_000
    asyncio.run(happen())
    bench.feeds.refresh_now(PROJECT)
    assert kept()["a"] == [1, 29, 30, 399, 400]  # until tomorrow


def test_deleted_products__a_day_later__leave_no_trace(bench: FeedBench) -> None:
    def ids() -> list[str]:
        with bench.feeds.store.reading() as connection:
            return sorted(connection.execute(select(products.c.product_id)).scalars())

    bench.put("a", "b")
    bench.feeds.remove_now(PROJECT, "a")
    bench.feeds.refresh_now(PROJECT)
    assert ids() == ["a", "b"]
    bench.now_ms += DAY_MS + 1
    bench.feeds.refresh_now(PROJECT)
    assert ids() == ["b"]


def test_refresh__database_away__says_so(tmp_path: Path, database_url: str | None) -> None:
    with closing(open_profile_store(tmp_path, database_url)) as store:
        feeds = KnownFeeds(store, lambda _project: (), lambda: 1)
        with store.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE catalogs RENAME TO elsewhere")
        try:
            with pytest.raises(ProfilesUnavailable, match="the profiles cannot be used"):
                feeds.refresh_now(PROJECT)
            with pytest.raises(ProfilesUnavailable, match="the profiles cannot be used"):
                asyncio.run(feeds.put(PROJECT, [Incoming("a", b'{"id":"a"}')]))
        finally:
            with store.writing() as connection:
                connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO catalogs")
