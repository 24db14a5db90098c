"""What one process changes, another one serves; on both databases."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.service.feeds import KnownFeeds, read_product
from fairlot.store.profiles import open_profile_store
from support.feed_bench import PROJECT, FeedBench, feed_bench

POPULAR, NEWEST, VIEWED = FeedAlgorithm


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[FeedBench]:
    with feed_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def other(tmp_path: Path, database_url: str | None, bench: FeedBench) -> Iterator[KnownFeeds]:
    """The feeds in another process."""
    with closing(open_profile_store(tmp_path, database_url)) as store:
        yield KnownFeeds(store, lambda _project: bench.defined, lambda: bench.now_ms)


def put(feeds: KnownFeeds, **product: Any) -> None:
    asyncio.run(feeds.put(PROJECT, [read_product(msgspec.json.encode(product))]))


def test_changes__of_another_process__are_followed(bench: FeedBench, other: KnownFeeds) -> None:
    bench.defined = [Feed("there", NEWEST, exclude={"stock": 0})]
    bench.put({"id": "a", "stock": 1}, {"id": "b", "stock": 2}, {"id": "c", "stock": 0})
    other.refresh_now(PROJECT)
    assert asyncio.run(bench.ids("there")) == []
    bench.feeds.follow()
    assert asyncio.run(bench.ids("there")) == ["b", "a"]
    put(other, id="a", stock=0)
    bench.feeds.follow()
    assert asyncio.run(bench.ids("there")) == ["b"]
    other.remove_now(PROJECT, "b")
    bench.feeds.follow()
    assert asyncio.run(bench.ids("there")) == []
    assert asyncio.run(bench.ids("newest")) == ["c", "a"]
    put(other, id="a", stock=9, title="New")
    bench.feeds.follow()
    (served,) = asyncio.run(bench.feeds.products(PROJECT, "there", None))
    assert {name: bytes(each) for name, each in served.items()} == {
        "id": b'"a"',
        "stock": b"9",
        "title": b'"New"',
    }


def test_definition__with_a_value_of_another_type__is_followed(bench: FeedBench) -> None:
    bench.put({"id": "a", "new": 1}, {"id": "b", "new": True})
    bench.defined = [Feed("there", NEWEST, only={"new": 1})]
    bench.feeds.refresh_now(PROJECT)
    assert asyncio.run(bench.ids("there")) == ["a"]
    bench.defined = [Feed("there", NEWEST, only={"new": True})]
    bench.feeds.follow()
    assert asyncio.run(bench.ids("there")) == []
    bench.feeds.refresh_now(PROJECT)
    assert asyncio.run(bench.ids("there")) == ["b"]


def test_viewed__of_products_in_no_feed__are_read_once_and_followed(
    bench: FeedBench, other: KnownFeeds
) -> None:
    async def views() -> Any:
        await bench.happen("s", "Product viewed", "rare", days_ago=2)
        return await bench.happen("s", "Product viewed", "late", days_ago=1)

    bench.defined = [Feed("newest", NEWEST, only={"kind": "front"}), Feed("most_popular", POPULAR)]
    bench.defined[1] = Feed("most_popular", POPULAR, only={"kind": "front"})
    bench.put({"id": "rare", "kind": "back"}, {"id": "f", "kind": "front"})
    profile = asyncio.run(views())
    bench.feeds.refresh_now(PROJECT)
    for _ in range(2):
        assert asyncio.run(bench.ids("recently_viewed", profile)) == ["rare"]
    put(other, id="late")
    bench.feeds.follow()
    assert asyncio.run(bench.ids("recently_viewed", profile)) == ["late", "rare"]
    other.remove_now(PROJECT, "rare")
    bench.feeds.follow()
    assert asyncio.run(bench.ids("recently_viewed", profile)) == ["late"]


def test_viewed__that_fill_up__come_in_their_place_and_each_once(bench: FeedBench) -> None:
    async def scenario() -> None:
        bench.put("a", "b", "c", {"id": "d", "hidden": True})
        bench.defined = [
            Feed(
                "mixed",
                POPULAR,
                pin=("c",),
                fill_up=("recently_viewed", "newest"),
                exclude={"hidden": True},
            )
        ]
        await bench.happen("other", "Product ordered", "b")
        for product_id in ("a", "d", "b"):
            bench.now_ms += 1
            profile = await bench.happen("s", "Product viewed", product_id)
        bench.feeds.refresh_now(PROJECT)
        assert await bench.ids("mixed", profile) == ["c", "b", "a"]
        assert await bench.ids("mixed", None) == ["c", "b", "a"]
        bench.put("e", "f")
        bench.now_ms += 1
        bench.put("g")
        bench.feeds.refresh_now(PROJECT)
        profile = await bench.happen("s", "Product viewed", "f")
        bench.defined = [Feed("own", VIEWED, fill_up=("newest",))]
        bench.feeds.refresh_now(PROJECT)
        found = await bench.ids("own", profile)
        assert found[:4] == ["f", "b", "d", "a"]
        assert found[4:] == ["g", "e", "c"]
        assert await bench.ids("own", profile, limit=2, offset=3) == ["a", "g"]

    asyncio.run(scenario())


def test_paging__beyond_what_there_is__is_bounded(bench: FeedBench) -> None:
    async def scenario() -> None:
        bench.put(*(f"p{number:04}" for number in range(1_299, -1, -1)))
        bench.feeds.refresh_now(PROJECT)
        assert len(await bench.ids("newest", limit=5_000)) == 100
        assert await bench.ids("newest", limit=-1) == []
        assert await bench.ids("newest", limit=2, offset=-5) == ["p1299", "p1298"]
        assert await bench.ids("newest", limit=1, offset=1_000) == ["p0299"]
        assert await bench.ids("newest", limit=1, offset=9_000) == ["p0299"]
        assert (await bench.ids("newest", offset=1_000))[-1] == "p0200"
        assert len(await bench.ids("newest", limit=None)) == 10

    asyncio.run(scenario())


def test_projects__of_their_own__share_nothing(bench: FeedBench) -> None:
    async def scenario() -> None:
        bench.put("mine")
        bench.put("theirs", project="prj_2")
        await bench.happen("s", "Product viewed", "mine", project="prj_2")
        for project in (PROJECT, "prj_2"):
            bench.feeds.refresh_now(project)
        assert await bench.ids("newest") == ["mine"]
        assert await bench.ids("most_popular") == ["mine"]
        found = await bench.feeds.products("prj_2", "most_popular", None, fields=("id",))
        assert [bytes(each["id"]) for each in found] == [b'"theirs"']

    asyncio.run(scenario())
