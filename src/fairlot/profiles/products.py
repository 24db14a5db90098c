"""Which products subjects look at, put into their cart and order."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from fairlot.profiles.happenings import Happening
from fairlot.profiles.records import Profile, Viewed

VIEWED_KEPT: Final = 50
MAX_PRODUCT_ID_CHARS: Final = 400
QUANTITY_COUNTED: Final = 10
"""An order of more pieces counts as one of so many: a wholesale order is no fashion."""
_ID_NAMES: Final = ("productId", "product_id")


class ProductEvent(StrEnum):
    VIEW = "view"
    CART = "cart"
    ORDER = "order"


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """`count` times a product was seen, put into a cart or ordered."""

    product_id: str
    event: ProductEvent
    count: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class ProductEvents:
    """Which events are about products. `by_name` has their names in lower case."""

    by_name: Mapping[str, ProductEvent]

    def sighting(self, happening: Happening) -> Sighting | None:
        """What a happening says of a product; None if it is none of them, or names no product."""
        event = self.by_name.get(happening.name.lower())
        if event is None:
            return None
        found = (product_id_of(happening.properties.get(name)) for name in _ID_NAMES)
        product_id = next((each for each in found if each is not None), None)
        if product_id is None:
            return None
        quantity = happening.properties.get("quantity")
        count = 1 if event is ProductEvent.VIEW else _counted(quantity)
        return Sighting(product_id, event, count, happening.at_ms)


def product_events(
    *, view: tuple[str, ...], cart: tuple[str, ...], order: tuple[str, ...]
) -> ProductEvents:
    """The events called so, in any case of letters."""
    named = {ProductEvent.VIEW: view, ProductEvent.CART: cart, ProductEvent.ORDER: order}
    return ProductEvents({name.lower(): event for event, names in named.items() for name in names})


VIEW_EVENTS: Final = ("Product viewed",)
CART_EVENTS: Final = ("Added to cart",)
ORDER_EVENTS: Final = ("Product ordered",)
PRODUCT_EVENTS: Final[ProductEvents] = product_events(
    view=VIEW_EVENTS, cart=CART_EVENTS, order=ORDER_EVENTS
)


def product_id_of(value: object) -> str | None:
    """A text of 1 to 400 characters, or the text of a whole number; None is no product's id."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PRODUCT_ID_CHARS:
        return None
    is_storable = "\x00" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    return value if is_storable else None


def with_sighting(profile: Profile, sighting: Sighting) -> Profile:
    """A product that was looked at comes first among those of late."""
    if sighting.event is not ProductEvent.VIEW:
        return profile
    viewed = joined_views(profile.viewed, (Viewed(sighting.product_id, sighting.at_ms),))
    return msgspec.structs.replace(profile, viewed=viewed)


def joined_views(one: tuple[Viewed, ...], other: tuple[Viewed, ...]) -> tuple[Viewed, ...]:
    """The latest first, each product once."""
    if not one or not other:
        return one or other
    latest: dict[str, Viewed] = {}
    for each in (*one, *other):
        known = latest.get(each.product_id)
        if known is None or known.at_ms < each.at_ms:
            latest[each.product_id] = each
    ordered = sorted(latest.values(), key=lambda each: (-each.at_ms, each.product_id))
    return tuple(ordered[:VIEWED_KEPT])


def _counted(quantity: object) -> int:
    if isinstance(quantity, bool) or not isinstance(quantity, int | float) or quantity != quantity:
        return 1
    return int(min(max(quantity, 1), QUANTITY_COUNTED))
