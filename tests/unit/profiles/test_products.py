"""Which events say something of a product, and what a profile remembers of it."""

import math
from typing import Any

import pytest

from fairlot.profiles import PRODUCT_EVENTS, Happening, Profile, Sighting, Viewed
from fairlot.profiles.products import (
    VIEWED_KEPT,
    ProductEvent,
    joined_views,
    product_events,
    with_sighting,
)

VIEW, CART, ORDER = ProductEvent
PLAIN = Profile(id="pro_1", project_id="prj_1", subject_id="s", created_at_ms=0, last_seen_at_ms=0)


def sighting_of(name: str, **properties: Any) -> Sighting | None:
    happening = Happening(event_id="e", name=name, at_ms=5, properties=properties)
    return PRODUCT_EVENTS.sighting(happening)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("Product viewed", VIEW),
        ("PRODUCT VIEWED", VIEW),
        ("added to cart", CART),
        ("Product ordered", ORDER),
    ],
)
def test_sighting__of_an_event_in_any_case__is_of_its_kind(name: str, event: ProductEvent) -> None:
    assert sighting_of(name, productId="p") == Sighting("p", event, 1, 5)


@pytest.mark.parametrize("name", ["Removed from cart", "Page viewed", ""])
def test_sighting__of_another_event__is_none(name: str) -> None:
    assert sighting_of(name, productId="p") is None


@pytest.mark.parametrize(
    ("properties", "product_id"),
    [
        ({"product_id": "p"}, "p"),
        ({"productId": "p", "product_id": "q"}, "p"),
        ({"productId": "", "product_id": "q"}, "q"),
        ({"productId": 17}, "17"),
        ({"productId": "x" * 400}, "x" * 400),
        ({"productId": "x" * 401}, None),
        ({"productId": True}, None),
        ({"productId": 1.5}, None),
        ({"productId": "a\x00"}, None),
        ({"productId": "a\ud800"}, None),
        ({"productId": ["p"]}, None),
        ({"gpc": True}, None),
        ({}, None),
    ],
)
def test_sighting__of_a_product__is_by_its_id(
    properties: dict[str, Any], product_id: str | None
) -> None:
    found = sighting_of("Product viewed", **properties)
    assert (None if found is None else found.product_id) == product_id


@pytest.mark.parametrize(
    ("quantity", "count"),
    [
        (3, 3),
        (2.0, 2),
        (10, 10),
        (5_000, 10),
        (math.inf, 10),
        (0, 1),
        (-4, 1),
        (math.nan, 1),
        ("3", 1),
        (True, 1),
        (None, 1),
    ],
)
def test_sighting__of_a_quantity__counts_ten_at_most(quantity: Any, count: int) -> None:
    for name in ("Added to cart", "Product ordered"):
        found = sighting_of(name, productId="p", quantity=quantity)
        assert found is not None
        assert found.count == count
    viewed = sighting_of("Product viewed", productId="p", quantity=quantity)
    assert viewed is not None
    assert viewed.count == 1


def test_events__of_own_names__are_those_alone() -> None:
    own = product_events(view=("view_item", "Seen"), cart=(), order=("purchase",))
    assert own.by_name == {"view_item": VIEW, "seen": VIEW, "purchase": ORDER}


def test_profile__of_a_view__has_it_first_and_once() -> None:
    profile = with_sighting(PLAIN, Sighting("a", VIEW, 1, 10))
    profile = with_sighting(profile, Sighting("b", VIEW, 1, 30))
    profile = with_sighting(profile, Sighting("a", VIEW, 1, 20))
    assert profile.viewed == (Viewed("b", 30), Viewed("a", 20))
    profile = with_sighting(profile, Sighting("b", VIEW, 1, 5))
    assert profile.viewed == (Viewed("b", 30), Viewed("a", 20))


@pytest.mark.parametrize("event", [CART, ORDER])
def test_profile__of_no_view__remembers_no_product(event: ProductEvent) -> None:
    assert with_sighting(PLAIN, Sighting("a", event, 1, 10)) is PLAIN


def test_views__of_two_profiles__are_the_latest_of_both() -> None:
    one = tuple(Viewed(f"a{each}", each) for each in range(40, 0, -1))
    other = tuple(Viewed(f"b{each}", each + 100) for each in range(40, 0, -1))
    joined = joined_views(one, (*other, Viewed("a7", 999)))
    assert len(joined) == VIEWED_KEPT == 50
    assert joined[:2] == (Viewed("a7", 999), Viewed("b40", 140))
    assert joined[-1] == Viewed("a32", 32)
    assert joined_views(one, ()) is one
    assert joined_views((), one) is one
