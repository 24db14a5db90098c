"""Which products a feed has, in order: computed at a refresh, for all subjects."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.service.feeds.sources import PRODUCTS_KEPT, Filter, filter_of
from fairlot.service.profiles.product_counts import DAY_MS
from fairlot.store.profiles.products import (
    Weights,
    batched_ids,
    newest_products,
    popular_products,
    read_bodies,
)

DAYS_COUNTED: Final = 400
_LEAST_FACTOR: Final = 1e-9
_product_of: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some products of a feed in their order; or, for each subject, what it viewed lately, of the
    feed called `recent`."""

    ids: tuple[str, ...] = ()
    recent: str | None = None


class Rankings:
    """Of one project at one moment; what several feeds rank alike is ranked once."""

    def __init__(self, connection: Connection, project_id: str, now_ms: int) -> None:
        self._connection = connection
        self._project_id = project_id
        self._today = now_ms // DAY_MS
        self._known: dict[tuple[Weights, int], Sequence[str]] = {}

    def parts_of(self, sources: Sequence[Feed]) -> tuple[Part, ...]:
        """Of the first of the sources, filled up with the others. Raises InvalidExperiment for a
        filter that cannot be used."""
        taken: dict[str, None] = {}
        parts = []
        for source in sources:
            filters = (sources[0],) if source is sources[0] else (sources[0], source)
            ids = tuple(self._first(source, filter_of(filters), taken))
            taken.update(dict.fromkeys(ids))
            parts.append(Part(ids))
            if source.algorithm is FeedAlgorithm.RECENTLY_VIEWED:
                parts.append(Part(recent=source.key))
        return tuple(each for each in parts if each.ids or each.recent)

    def _first(self, source: Feed, holds: Filter | None, taken: Iterable[str]) -> Iterator[str]:
        """Of the products of a source, those that are there and hold, until a feed is full."""
        seen = set(taken)
        room = PRODUCTS_KEPT - len(seen)
        if room <= 0:
            return
        for some in batched_ids(self._candidates(source)):
            new = [each for each in dict.fromkeys(some) if each not in seen]
            seen.update(new)
            bodies = read_bodies(self._connection, self._project_id, new)
            for product_id in new:
                body = bodies.get(product_id)
                if body is None or not (holds is None or holds(_product_of(body))):
                    continue
                yield product_id
                room -= 1
                if room == 0:
                    return

    def _candidates(self, source: Feed) -> Iterable[str]:
        yield from source.pin
        yield from self._ranked(source)

    def _ranked(self, source: Feed) -> Iterable[str]:
        if source.algorithm is FeedAlgorithm.RECENTLY_VIEWED:
            return ()
        if source.algorithm is FeedAlgorithm.NEWEST:
            return newest_products(self._connection, self._project_id)
        return self._popular(
            Weights(source.view_weight, source.cart_weight, source.order_weight),
            source.half_life_ms,
        )

    def _popular(self, weights: Weights, half_life_ms: int) -> Sequence[str]:
        if (weights, half_life_ms) not in self._known:
            factors = factors_of(self._today, half_life_ms)
            self._known[weights, half_life_ms] = popular_products(
                self._connection, self._project_id, weights, factors
            )
        return self._known[weights, half_life_ms]


def factors_of(today: int, half_life_ms: int) -> dict[int, float]:
    """What each day counts, tomorrow too: a sender's clock may be ahead of midnight."""
    factors = {today + 1: 1.0}
    for age in range(DAYS_COUNTED):
        factor = 0.5 ** (age * DAY_MS / half_life_ms)
        if factor < _LEAST_FACTOR:
            break
        factors[today - age] = factor
    return factors


def ids_in(parts: Iterable[Part]) -> Iterator[str]:
    return chain.from_iterable(part.ids for part in parts)
