"""How long a refresh of feeds takes, beside one that sums up events row by row.

    python benchmarks/feeds.py [--products 100000] [--events 5000000] [--days 90]

Events are dealt to products by a power law and to days evenly, and counted by the day. Then the
feeds are refreshed: the built-in ones, and one whose filter lets a tenth of the products pass. The
peer has a table with a row for each event, in the same database engine, and sums it up with the
same weights and factors; both have to find the same products. Told are also what a worker does to
take the results over, and what a request for four products takes.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.service.feeds import KnownFeeds
from fairlot.service.feeds.incoming import Incoming
from fairlot.service.feeds.ranking import factors_of
from fairlot.store.profiles import ProfileStore, open_profile_store
from fairlot.store.profiles.tables import product_days

AIM_S = 10.0
PROJECT = "prj_bench"
DAY_MS = 86_400_000
TODAY = 20_000
NOW_MS = TODAY * DAY_MS + DAY_MS // 2
WEIGHTS = (1.0, 3.0, 10.0)
HALF_LIFE_MS = 7 * DAY_MS
SHARES = (0.85, 0.1, 0.05)
AT_ONCE = 50_000
REQUESTS = 20_000

Numbers = NDArray[np.int64]


def events_of(products: int, events: int, days: int) -> tuple[Numbers, Numbers, Numbers]:
    """The product, the day and the kind of each event."""
    chance = np.random.default_rng(20)
    shares = 1.0 / np.arange(1, products + 1) ** 0.8
    which = chance.choice(products, events, p=shares / shares.sum())
    day = TODAY - chance.integers(0, days, events)
    kind = chance.choice(3, events, p=SHARES)
    return which, day, kind


def put_products(feeds: KnownFeeds, products: int) -> None:
    for start in range(0, products, 1_000):
        some = range(start, min(start + 1_000, products))
        feeds.put_now(PROJECT, [Incoming(f"sku-{each}", body_of(each)) for each in some])


def body_of(number: int) -> bytes:
    return msgspec.json.encode(
        {
            "id": f"sku-{number}",
            "title": f"Product {number}",
            "description": "Something that is described in a sentence of about this length.",
            "url": f"https://shop.example/products/sku-{number}",
            "image_link": f"https://shop.example/images/sku-{number}.jpg",
            "price": f"{number % 500}.0",
            "category": f"category-{number % 10}",
            "availability": "in_stock",
        }
    )


def count_events(
    store: ProfileStore, which: Numbers, day: Numbers, kind: Numbers, products: int
) -> int:
    """What the writer of profiles would have counted by now. The number of rows."""
    rows, place = np.unique(day * products + which, return_inverse=True)
    counts = [np.bincount(place, kind == each, len(rows)).astype(int) for each in range(3)]
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        numbers = (rows[part].tolist(), *(each[part].tolist() for each in counts))
        with store.writing() as connection:
            connection.execute(
                product_days.insert(),
                [
                    {
                        "project_id": PROJECT,
                        "product_id": f"sku-{row % products}",
                        "day": row // products,
                        "views": views,
                        "carts": carts,
                        "orders": orders,
                    }
                    for row, views, carts, orders in zip(*numbers, strict=True)
                ],
            )
    return len(rows)


def naive(folder: Path, which: Numbers, day: Numbers, kind: Numbers) -> tuple[float, list[str]]:
    """Seconds to sum up a row for each event, and the first products."""
    factors = factors_of(TODAY, HALF_LIFE_MS)
    with closing(sqlite3.connect(folder / "events.db")) as database:
        database.execute("CREATE TABLE events (product TEXT, day INTEGER, kind INTEGER)")
        names = (f"sku-{each}" for each in which.tolist())
        rows = zip(names, day.tolist(), kind.tolist(), strict=True)
        database.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        database.execute("CREATE TABLE factors (day INTEGER PRIMARY KEY, factor REAL)")
        database.executemany("INSERT INTO factors VALUES (?, ?)", factors.items())
        database.execute("CREATE TABLE weights (kind INTEGER PRIMARY KEY, weight REAL)")
        database.executemany("INSERT INTO weights VALUES (?, ?)", enumerate(WEIGHTS))
        database.commit()
        began = time.perf_counter()
        found = database.execute(
            "SELECT product, SUM(weight * factor) AS score FROM events JOIN factors USING (day)"
            " JOIN weights USING (kind) GROUP BY product ORDER BY score DESC LIMIT 100"
        ).fetchall()
        return time.perf_counter() - began, [product for product, _ in found]


async def served(feeds: KnownFeeds) -> tuple[float, list[str]]:
    """Seconds for a request, and the first products."""
    began = time.perf_counter()
    for _ in range(REQUESTS):
        await feeds.products(PROJECT, "most_popular", None, fields=("id", "title"), limit=4)
    each_s = (time.perf_counter() - began) / REQUESTS
    first = await feeds.products(PROJECT, "most_popular", None, fields=("id",), limit=100)
    return each_s, [msgspec.json.decode(product["id"]) for product in first]


def main() -> None:
    parser = argparse.ArgumentParser(description="a refresh of feeds")
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=90)
    arguments = parser.parse_args()
    which, day, kind = events_of(arguments.products, arguments.events, arguments.days)
    narrow = Feed("narrow", FeedAlgorithm.MOST_POPULAR, only={"category": "category-3"})
    with tempfile.TemporaryDirectory() as name, closing(open_profile_store(Path(name))) as store:
        feeds = KnownFeeds(store, lambda _project: (narrow,), lambda: NOW_MS)
        put_products(feeds, arguments.products)
        rows = count_events(store, which, day, kind, arguments.products)
        began, cpu_began = time.perf_counter(), time.process_time()
        feeds.refresh_now(PROJECT)
        refresh_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        other = KnownFeeds(store, lambda _project: (narrow,), lambda: NOW_MS)
        began = time.perf_counter()
        other.follow()
        follow_s = time.perf_counter() - began
        each_s, first = asyncio.run(served(other))
        naive_s, expected = naive(Path(name), which, day, kind)
    if first != expected:
        raise SystemExit("the two found other products")
    print(
        f"{arguments.events:,} events of {arguments.products:,} products in {rows:,} rows:"
        f" refreshed in {refresh_s:.2f} s ({cpu_s:.2f} s of CPU);"
        f" event by event {naive_s:.2f} s for one of the four feeds,"
        f" {naive_s / refresh_s:.1f} times as long"
    )
    print(
        f"a worker takes the results over in {follow_s * 1000:.0f} ms;"
        f" a request for four products takes {each_s * 1e6:.1f} us"
    )
    print(f"{'met   ' if refresh_s < AIM_S else 'MISSED'} under {AIM_S} s: {refresh_s:.2f} s")


if __name__ == "__main__":
    main()
