"""The feeds of a project in memory: nothing but slices is left to a request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.engine import Feed, InvalidExperiment
from fairlot.service.feeds.ranking import Part, ids_in
from fairlot.service.feeds.sources import Filter, filter_of, sources_of

_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_attributes_of: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Product(NamedTuple):
    """`fields` hold the JSON of each, as it came."""

    id: str
    body: bytes
    fields: Mapping[str, msgspec.Raw]

    def satisfies(self, test: Filter | None) -> bool:
        return test is None or test(_attributes_of(self.body))


class Recent(NamedTuple):
    """Here come the products that a subject viewed lately, and that satisfy `test`."""

    test: Filter | None


class ServedFeed(NamedTuple):
    feed: Feed
    parts: Sequence[Sequence[Product] | Recent]


class ServedCatalog(NamedTuple):
    """As of a change of products, a refresh, and definitions. `products` are those of its feeds."""

    change_no: int
    results_no: int
    defined: Mapping[str, Feed]
    products: Mapping[str, Product]
    feeds: Mapping[str, ServedFeed]


NO_CATALOG: Final = ServedCatalog(0, 0, {}, {}, {})


def product_of(product_id: str, body: bytes) -> Product:
    return Product(product_id, body, _fields_of(body))


def served_feeds(
    defined: Mapping[str, Feed],
    results: Mapping[str, Sequence[Part]],
    products: Mapping[str, Product],
) -> dict[str, ServedFeed]:
    """By key. A product that changed so that it may not be in a feed any more is in none."""
    return {
        key: ServedFeed(feed, tuple(_parts(feed, defined, results.get(key, ()), products)))
        for key, feed in defined.items()
    }


def ids_of(results: Iterable[Sequence[Part]]) -> set[str]:
    return {product_id for parts in results for product_id in ids_in(parts)}


def _parts(
    feed: Feed,
    defined: Mapping[str, Feed],
    parts: Sequence[Part],
    products: Mapping[str, Product],
) -> Iterable[Sequence[Product] | Recent]:
    try:
        own = filter_of((feed,))
        recents = {each.key: filter_of((feed, each)) for each in sources_of(feed, defined)}
    except InvalidExperiment:  # which the refresh has told
        return
    for part in parts:
        if part.recent is not None:
            if part.recent in recents:
                yield Recent(recents[part.recent])
            continue
        found = (products[each] for each in part.ids if each in products)
        yield tuple(each for each in found if each.satisfies(own))
