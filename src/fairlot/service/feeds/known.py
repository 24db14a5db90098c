"""The feeds over a database, with what they serve in memory."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from fairlot.engine import Feed
from fairlot.engine.bindings import FEED
from fairlot.manifest.contents import same_content
from fairlot.profiles import Profile
from fairlot.service.feeds.errors import UnknownFeed
from fairlot.service.feeds.incoming import Incoming
from fairlot.service.feeds.refreshing import WAITS_S, Refresher, parts_in
from fairlot.service.feeds.shelf import (
    NO_CATALOG,
    Product,
    Recent,
    ServedCatalog,
    ServedFeed,
    ids_of,
    product_of,
    served_feeds,
)
from fairlot.service.feeds.sources import MAX_LIMIT, MAX_OFFSET, with_built_in
from fairlot.service.profiles.errors import ProfilesUnavailable
from fairlot.store.errors import StoreFailed
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.catalogs import CatalogRow, read_catalogs, read_results
from fairlot.store.profiles.products import (
    Kept,
    changed_products,
    put_products,
    read_bodies,
    remove_product,
)

FEEDS_SEEN_WITHIN_S: Final = 1.0
"""How long one process may go on with products and results that another has changed."""
TURN_WITHIN_S: Final = 10.0
"""How long products wait for those before them."""
_OTHERS_KEPT: Final = 20_000


class KnownFeeds:
    """`Feeds` over the database of profiles. Call `follow` and `refresh_due` every
    FEEDS_SEEN_WITHIN_S; they block. `defined` gives the feeds that a project defines. `put` is for
    one event loop, and waits for `turn_within_s` at most until others have put theirs."""

    def __init__(
        self,
        store: ProfileStore,
        defined: Callable[[str], Sequence[Feed]],
        clock_ms: Callable[[], int],
        *,
        turn_within_s: float = TURN_WITHIN_S,
    ) -> None:
        self.store = store
        self._feeds_of = defined
        self._clock_ms = clock_ms
        self._refresher = Refresher(store, self.defined, clock_ms)
        self._catalogs: dict[str, ServedCatalog] = {}
        self._others = _OtherProducts()
        self._following = threading.Lock()
        self._turn = asyncio.Lock()
        self._turn_within_s = turn_within_s

    def defined(self, project_id: str) -> Mapping[str, Feed]:
        return with_built_in(self._feeds_of(project_id))

    def lengths(self, project_id: str) -> dict[str, int]:
        """How many products each feed has for everybody."""
        served = self._catalogs.get(project_id, NO_CATALOG).feeds
        return {
            key: sum(len(part) for part in feed.parts if not isinstance(part, Recent))
            for key, feed in served.items()
        }

    async def resolve(
        self,
        project_id: str,
        payload: Any,
        profile: Profile | None,
        product_id: str | None = None,
    ) -> Any:
        if isinstance(payload, list | tuple):
            return [await self.resolve(project_id, each, profile, product_id) for each in payload]
        if not isinstance(payload, Mapping):
            return payload
        key = payload.get(FEED)
        if not isinstance(key, str):
            return {
                name: await self.resolve(project_id, each, profile, product_id)
                for name, each in payload.items()
            }
        try:
            return await self.products(
                project_id,
                key,
                profile,
                fields=payload.get("fields"),
                limit=payload.get("limit"),
                offset=payload.get("offset") or 0,
                product_id=product_id,
            )
        except UnknownFeed:
            return []

    async def products(
        self,
        project_id: str,
        feed_key: str,
        profile: Profile | None,
        *,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        product_id: str | None = None,
    ) -> list[dict[str, Any]]:
        catalog = self._catalogs.get(project_id, NO_CATALOG)
        served = catalog.feeds.get(feed_key)
        if served is None:
            if feed_key in self.defined(project_id):
                return []
            raise UnknownFeed(feed_key)
        begin = min(max(offset, 0), MAX_OFFSET)
        end = begin + min(max(served.feed.limit if limit is None else limit, 0), MAX_LIMIT)
        found = await self._first(project_id, catalog, served, profile, end, product_id)
        names = fields or served.feed.fields
        return [_selected(each, names) for each in found[begin:end]]

    async def put(self, project_id: str, products: Sequence[Incoming]) -> Kept:
        # A task of its own, as a handler may be in none, which a timeout needs.
        return await asyncio.ensure_future(self._put_in_turn(project_id, products))

    async def _put_in_turn(self, project_id: str, products: Sequence[Incoming]) -> Kept:
        """One after the other: a database has one writer, and whoever waits for it in a thread
        keeps that from all others."""
        try:
            async with asyncio.timeout(self._turn_within_s):
                await self._turn.acquire()
        except TimeoutError:
            raise ProfilesUnavailable("too many products wait to be written") from None
        try:
            return await asyncio.to_thread(self.put_now, project_id, products)
        finally:
            self._turn.release()

    def put_now(self, project_id: str, products: Sequence[Incoming]) -> Kept:
        """As `put`, blocking."""
        bodies = {each.product_id: each.body for each in products}
        try:
            with self.store.writing() as connection:
                return put_products(connection, project_id, bodies, self._clock_ms())
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None

    def remove_now(self, project_id: str, product_id: str) -> bool:
        """Whether it was there. Blocks; raises ProfilesUnavailable."""
        try:
            with self.store.writing() as connection:
                return remove_product(connection, project_id, product_id, self._clock_ms())
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None

    def refresh_now(self, project_id: str, waits_s: float = WAITS_S) -> bool:
        """Compute the feeds of a project, and serve them in this process. False where there never
        was a product. Blocks; raises RefreshRunning and ProfilesUnavailable."""
        try:
            done = self._refresher.refresh(project_id, waits_s)
            self.follow()
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None
        return done

    def refresh_due(self, every_ms: int) -> int:
        """As `Refresher.refresh_due`."""
        return self._refresher.refresh_due(every_ms)

    def follow(self) -> None:
        """Take over what was changed. Raises StoreFailed."""
        with self._following, self.store.reading() as connection:
            for row in read_catalogs(connection).values():
                before = self._catalogs.get(row.project_id, NO_CATALOG)
                defined = self.defined(row.project_id)
                seen = before.change_no, before.results_no, before.defined
                if not same_content(seen, (row.change_no, row.results_no, defined)):
                    self._take_over(connection, row, before, defined)

    def _take_over(
        self,
        connection: Connection,
        row: CatalogRow,
        before: ServedCatalog,
        defined: Mapping[str, Feed],
    ) -> None:
        changed = changed_products(connection, row.project_id, before.change_no)
        self._others.forget(row.project_id, changed, row.change_no)
        stored = read_results(connection, row.project_id)
        results = {key: parts_in(each.body) for key, each in stored.items()}
        wanted = ids_of(results.values())
        kept = wanted & before.products.keys() - set(changed)
        read = read_bodies(connection, row.project_id, wanted - kept)
        products = {each: before.products[each] for each in kept} | {
            product_id: product_of(product_id, body) for product_id, body in read.items()
        }
        self._catalogs[row.project_id] = ServedCatalog(
            row.change_no,
            row.results_no,
            defined,
            products,
            served_feeds(defined, results, products),
        )

    async def _first(
        self,
        project_id: str,
        catalog: ServedCatalog,
        served: ServedFeed,
        profile: Profile | None,
        count: int,
        looked_at: str | None,
    ) -> list[Product]:
        """The first products of a feed, each once."""
        found: dict[str, Product] = {}
        for part in served.parts:
            if isinstance(part, Recent):
                recent = await self._viewed(project_id, catalog, profile)
                products: Iterable[Product] = (each for each in recent if each.satisfies(part.test))
            else:
                products = part
            for each in products:
                if each.id != looked_at:
                    found.setdefault(each.id, each)
                    if len(found) == count:
                        return list(found.values())
        return list(found.values())

    async def _viewed(
        self, project_id: str, catalog: ServedCatalog, profile: Profile | None
    ) -> list[Product]:
        """What the subject viewed lately and is still there, the latest first."""
        ids = () if profile is None else tuple(each.product_id for each in profile.viewed)
        others = [each for each in ids if each not in catalog.products]
        known = self._others.find(project_id, others)
        if len(known) < len(others):
            unknown = [each for each in others if each not in known]
            known |= await asyncio.to_thread(self._read_others, project_id, unknown)
        found = (catalog.products.get(each) or known.get(each) for each in ids)
        return [product for product in found if product is not None]

    def _read_others(
        self, project_id: str, product_ids: Sequence[str]
    ) -> dict[str, Product | None]:
        try:
            with self.store.reading() as connection:
                catalog = read_catalogs(connection).get(project_id)
                bodies = read_bodies(connection, project_id, product_ids)
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None
        found = {
            each: product_of(each, bodies[each]) if each in bodies else None for each in product_ids
        }
        self._others.put(project_id, found, 0 if catalog is None else catalog.change_no)
        return found


class _OtherProducts:
    """Products that are in no feed but were viewed, those used last; None is one that is not
    there. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._products: OrderedDict[tuple[str, str], Product | None] = OrderedDict()
        self._followed: dict[str, int] = {}

    def find(self, project_id: str, product_ids: Iterable[str]) -> dict[str, Product | None]:
        found = {}
        with self._lock:
            for each in product_ids:
                key = project_id, each
                if key in self._products:
                    self._products.move_to_end(key)
                    found[each] = self._products[key]
        return found

    def put(self, project_id: str, found: Mapping[str, Product | None], as_of: int) -> None:
        """As they were read after the change `as_of`; what was followed further may be newer."""
        with self._lock:
            if as_of < self._followed.get(project_id, 0):
                return
            for product_id, product in found.items():
                self._products[project_id, product_id] = product
            while len(self._products) > _OTHERS_KEPT:
                self._products.popitem(last=False)

    def forget(self, project_id: str, product_ids: Iterable[str], up_to: int) -> None:
        with self._lock:
            self._followed[project_id] = up_to
            for each in product_ids:
                self._products.pop((project_id, each), None)


def _selected(product: Product, names: Sequence[str]) -> dict[str, Any]:
    if not names:
        return dict(product.fields)
    return {name: product.fields[name] for name in names if name in product.fields}
