"""Products and feeds over a real database of profiles, and a clock that stands still."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fairlot.engine import Feed
from fairlot.profiles import Happening, Profile, claim_of_subject
from fairlot.service.feeds import KnownFeeds, read_product
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles.products import Kept
from fairlot.warehouse.log import EventLog
from support.tables import open_profiles_with_tables

PROJECT = "prj_1"
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 12 * 3_600_000


@dataclass
class FeedBench:
    """`defined` are the feeds of the project."""

    profiles: KnownProfiles
    feeds: KnownFeeds
    defined: list[Feed] = field(default_factory=list)
    now_ms: int = NOW_MS
    events: int = 0

    def put(self, *products: Mapping[str, Any] | str | bytes, project: str = PROJECT) -> Kept:
        """A text is a product that has nothing but this id."""
        given = ({"id": each} if isinstance(each, str) else each for each in products)
        texts = (each if isinstance(each, bytes) else msgspec.json.encode(each) for each in given)
        incoming = [read_product(text) for text in texts]
        return self.feeds.put_now(project, incoming)

    async def happen(
        self,
        subject: str,
        name: str,
        product_id: object,
        *,
        days_ago: float = 0,
        project: str = PROJECT,
        event_id: str | None = None,
        **properties: object,
    ) -> Profile:
        at_ms = self.now_ms - round(days_ago * DAY_MS)
        self.events += 1
        happening = Happening(
            event_id=event_id or f"event-{self.events}",
            name=name,
            at_ms=at_ms,
            properties={"productId": product_id, **properties},
        )
        applied = await self.profiles.apply(
            Work(project, claim_of_subject(subject), at_ms, happenings=(happening,))
        )
        assert applied.profile is not None
        return applied.profile

    async def ids(
        self,
        feed_key: str,
        profile: Profile | None = None,
        *,
        limit: int | None = 100,
        offset: int = 0,
        product_id: str | None = None,
    ) -> list[str]:
        found = await self.feeds.products(
            PROJECT,
            feed_key,
            profile,
            fields=("id",),
            limit=limit,
            offset=offset,
            product_id=product_id,
        )
        return [msgspec.json.decode(each["id"]) for each in found]


@contextmanager
def feed_bench(tmp_path: Path, database_url: str | None) -> Iterator[FeedBench]:
    log = EventLog.open(tmp_path / "events")
    store = open_profiles_with_tables(tmp_path, database_url)
    profiles = KnownProfiles(store, log, NO_RULES, lambda: bench.now_ms)
    feeds = KnownFeeds(store, lambda _project: bench.defined, lambda: bench.now_ms)
    bench = FeedBench(profiles, feeds)
    try:
        yield bench
    finally:
        profiles.close(5)
        log.close(5)
