"""What events give a property."""

from collections.abc import Sequence
from typing import Any

import pytest

from fairlot.engine import EventRule, PropertyRule, Take
from fairlot.profiles import Happening, Property
from fairlot.profiles.properties import MAX_TEXT, joined_property, property_after


def taken(take: Take, events: Sequence[tuple[int, Any]], before: Property | None = None) -> Any:
    """Events by instant and by what stands at `cart.total`."""
    rule = PropertyRule("p", EventRule("buy"), "cart.total", take)
    for at_ms, value in events:
        properties = {"cart": {"total": value}}
        happening = Happening(event_id="e", name="buy", at_ms=at_ms, properties=properties)
        before = property_after(rule, before, happening)
    return before


@pytest.mark.parametrize(
    ("take", "values", "expected"),
    [
        (Take.LAST, [1, 2, 3], 3),
        (Take.LAST, ["a", True, False], False),
        (Take.LAST, ["a", None], None),
        (Take.LAST, ["a", ""], None),
        (Take.LAST, ["a", ["b"]], None),
        (Take.LAST, [{"b": 1}], None),
        (Take.LAST, ["x" * (MAX_TEXT + 1)], "x" * MAX_TEXT),
        (Take.LAST, [2**60], float(2**60)),
        (Take.LAST, [10**400], None),
        (Take.LAST, [float("nan")], None),
        (Take.FIRST, ["a", "b"], "a"),
        (Take.FIRST, ["", "b"], None),
        (Take.HIGHEST, [2, 5.5, 3], 5.5),
        (Take.HIGHEST, [None, "9", True], None),
        (Take.HIGHEST, [None, -1, "9"], -1),
        (Take.LOWEST, [2, -5.5, 3], -5.5),
        (Take.LOWEST, ["", "1"], None),
        (Take.SUM, [1, 2.5, "7", None, True], 3.5),
        (Take.SUM, ["7"], None),
        (Take.SUM, ["7", 1], 1),
        (Take.SUM, [1e308, 1e308], 1e308),
        (Take.COUNT, ["a", None, 3], 3),
    ],
)
def test_property__after_events__takes_what_its_rule_says(
    take: Take, values: list[Any], expected: Any
) -> None:
    found = taken(take, list(enumerate(values)))
    assert (found.value, type(found.value)) == (expected, type(expected))
    assert found.count == len(values)


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        (Take.LAST, Property(value=30, at_ms=30, count=3)),
        (Take.FIRST, Property(value=10, at_ms=10, count=3, take=Take.FIRST)),
        (Take.SUM, Property(value=60, at_ms=30, count=3, take=Take.SUM)),
    ],
)
def test_property__events_out_of_order__is_the_same(take: Take, expected: Property) -> None:
    for order in ((10, 20, 30), (30, 10, 20), (20, 30, 10)):
        assert taken(take, [(each, each) for each in order]) == expected


def test_property__two_at_one_instant__the_later_arrival_is_the_last() -> None:
    assert taken(Take.LAST, [(1, "a"), (1, "b")]).value == "b"
    assert taken(Take.FIRST, [(1, "a"), (1, "b")]).value == "a"


def test_property__rule_takes_another_way_now__starts_afresh() -> None:
    before = taken(Take.COUNT, [(1, 0), (2, 0)])
    assert taken(Take.SUM, [(3, 7)], before) == Property(value=7, at_ms=3, count=1, take=Take.SUM)


def test_property__without_a_path__has_nothing_to_take() -> None:
    rule = PropertyRule("p", EventRule("buy"))
    happening = Happening(event_id="e", name="buy", at_ms=1, properties={"": 1})
    assert property_after(rule, None, happening).value == 1


def test_properties_of_two_profiles__taken_alike__are_taken_together() -> None:
    one = Property(value=5, at_ms=1, count=2, take=Take.SUM)
    other = Property(value=7, at_ms=9, count=1, take=Take.SUM)
    assert joined_property(one, other) == Property(value=12, at_ms=9, count=3, take=Take.SUM)


def test_properties_of_two_profiles__taken_differently__the_later_one_stays() -> None:
    one = Property(value=5, at_ms=9, take=Take.SUM)
    other = Property(value="a", at_ms=1)
    assert joined_property(one, other) == joined_property(other, one) == one
