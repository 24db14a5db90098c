"""Feeds as one process serves them, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.service.feeds import UnknownFeed
from support.feed_bench import PROJECT, FeedBench, feed_bench

POPULAR, NEWEST, VIEWED = FeedAlgorithm


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[FeedBench]:
    with feed_bench(tmp_path, database_url) as made:
        yield made


def test_most_popular__views_carts_orders__weigh_1_3_10(bench: FeedBench) -> None:
    async def scenario() -> list[str]:
        bench.put("a", "b", "c", "d")
        for subject in ("s1", "s2", "s3", "s4"):
            await bench.happen(subject, "product VIEWED", "c")
        await bench.happen("s1", "Added to cart", "b")
        await bench.happen("s2", "Product ordered", "d")
        bench.feeds.refresh_now(PROJECT)
        return await bench.ids("most_popular")

    # 10, 4 and 3; what nobody saw fills it up
    assert asyncio.run(scenario()) == ["d", "c", "b", "a"]


def test_most_popular__older_events__count_half_per_week(bench: FeedBench) -> None:
    async def scenario() -> list[str]:
        bench.put("old", "new", "older")
        for number in range(5):
            await bench.happen(f"s{number}", "Product viewed", "old", days_ago=14)
        for number in range(2):
            await bench.happen(f"s{number}", "Product viewed", "new", days_ago=0)
        for number in range(7):
            await bench.happen(f"s{number}", "Product viewed", "older", days_ago=21)
        bench.feeds.refresh_now(PROJECT)
        return await bench.ids("most_popular")

    # 2, 5 / 4 and 7 / 8
    assert asyncio.run(scenario()) == ["new", "old", "older"]


def test_count__event_sent_again__counts_once(bench: FeedBench) -> None:
    async def scenario() -> list[str]:
        bench.put("a", "b")
        for _ in range(5):
            await bench.happen("s1", "Product viewed", "a", event_id="once")
        for number in range(2):
            await bench.happen("s1", "Product viewed", "b", event_id=f"b{number}")
        bench.feeds.refresh_now(PROJECT)
        return await bench.ids("most_popular")

    assert asyncio.run(scenario()) == ["b", "a"]


def test_fields__as_ingested__keep_their_text(bench: FeedBench) -> None:
    async def scenario() -> bytes:
        bench.put(
            b'{"id": 7, "price": "250.0", "rate": 1.0, "big": 1e2, "tags": [1.50, "\\u00e4"]}'
        )
        bench.feeds.refresh_now(PROJECT)
        payload = {
            "label": "Top",
            "products": {"$feed": "newest", "limit": 4, "fields": ["price", "rate", "big", "no"]},
            "more": [{"all": {"$feed": "newest"}}],
        }
        return msgspec.json.encode(await bench.feeds.resolve(PROJECT, payload, None))

    assert asyncio.run(scenario()) == (
        b'{"label":"Top","products":[{"price":"250.0","rate":1.0,"big":1e2}],'
        b'"more":[{"all":[{"id":7,"price":"250.0","rate":1.0,"big":1e2,'
        b'"tags":[1.50, "\\u00e4"]}]}]}'
    )


def test_recently_viewed__of_the_subject__latest_first_and_each_once(bench: FeedBench) -> None:
    async def scenario() -> None:
        bench.put("a", "b", "c")
        for product_id, days_ago in (("a", 3), ("b", 2), ("a", 1), ("gone", 0)):
            profile = await bench.happen("s1", "Product viewed", product_id, days_ago=days_ago)
        await bench.happen("s2", "Product viewed", "c")
        bench.feeds.refresh_now(PROJECT)
        assert await bench.ids("recently_viewed", profile) == ["a", "b"]
        assert await bench.ids("recently_viewed", profile, product_id="a") == ["b"]
        assert await bench.ids("recently_viewed", None) == []

    asyncio.run(scenario())


def test_feed__without_products__is_empty(bench: FeedBench) -> None:
    async def scenario() -> None:
        assert bench.feeds.refresh_now(PROJECT) is False
        for key in FeedAlgorithm:
            assert await bench.ids(key) == []
        assert await bench.feeds.resolve(PROJECT, {"$feed": "nowhere"}, None) == []
        with pytest.raises(UnknownFeed, match="nowhere: no such feed; `fairlot feeds list`"):
            await bench.ids("nowhere")

    asyncio.run(scenario())


def test_filters__only_exclude_and_pin__hold_for_what_fills_up_too(bench: FeedBench) -> None:
    async def scenario() -> None:
        bench.put(
            {"id": "a", "kind": "shoe", "price": 10},
            {"id": "b", "kind": "hat", "price": 10},
            {"id": "c", "kind": "shoe", "price": 99},
            {"id": "d", "kind": "shoe", "price": 20},
            {"id": "e", "kind": "shoe", "price": 30},
        )
        bench.defined = [
            Feed(
                "shoes",
                POPULAR,
                fill_up=("newest",),
                only={"kind": "shoe"},
                exclude={"price": {"$gt": 50}},
                pin=("e", "b", "unknown"),
            )
        ]
        await bench.happen("s1", "Product viewed", "d")
        bench.feeds.refresh_now(PROJECT)
        assert await bench.ids("shoes") == ["e", "d", "a"]
        assert await bench.ids("shoes", limit=1, offset=1) == ["d"]
        assert await bench.ids("shoes", product_id="d") == ["e", "a"]

    asyncio.run(scenario())
