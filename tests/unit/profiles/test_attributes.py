from typing import Any

import pytest

from fairlot.profiles.attributes import (
    MAX_ATTRIBUTES,
    MAX_ATTRIBUTES_BYTES,
    attributes_size,
    completed_attributes,
    updated_attributes,
)

# The update rules of userProperties are those of Ours Privacy's data types page.
KNOWN = {"city": "Graz", "plan": "free", "custom_properties": {"size": "m"}}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"plan": "pro"}, {"plan": "pro"}),
        ({"age": 0}, {"age": 0}),
        ({"vip": False}, {"vip": False}),
        ({"plan": None}, {"plan": ...}),
        ({"plan": ""}, {}),
        ({}, {}),
        ({"unknown": None}, {}),
        ({"custom_properties": {"size": "l"}}, {"custom_properties": {"size": "l"}}),
        (
            {"custom_properties": {"colour": "red"}},
            {"custom_properties": {"size": "m", "colour": "red"}},
        ),
        ({"custom_properties": {"size": None}}, {}),
        ({"custom_properties": {"size": ""}}, {}),
        ({"custom_properties": None}, {}),
        ({"custom_properties": ""}, {}),
    ],
)
def test_updated_attributes__given__value_sets_null_clears_empty_changes_nothing(
    given: dict[str, Any], changed: dict[str, Any]
) -> None:
    expected = {name: value for name, value in {**KNOWN, **changed}.items() if value is not ...}
    assert updated_attributes(KNOWN, given) == expected
    assert KNOWN == {"city": "Graz", "plan": "free", "custom_properties": {"size": "m"}}


def test_updated_attributes__no_custom_properties__makes_none() -> None:
    assert updated_attributes({}, {"custom_properties": {"size": None}}) == {}


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({"plan": "pro"}, {}),
        ({"plan": None}, {}),
        ({"vip": True}, {"vip": True}),
        ({"vip": ""}, {}),
        (
            {"custom_properties": {"size": "l", "colour": "red"}},
            {"custom_properties": {"size": "m", "colour": "red"}},
        ),
    ],
)
def test_completed_attributes__given__only_adds(
    given: dict[str, Any], added: dict[str, Any]
) -> None:
    assert completed_attributes(KNOWN, given) == {**KNOWN, **added}


@pytest.mark.parametrize("change", [updated_attributes, completed_attributes])
def test_attributes__over_the_limit__what_is_new_is_left_out(change: Any) -> None:
    many = {f"a{number}": number for number in range(MAX_ATTRIBUTES + 5)}
    found = change({}, {**many, "custom_properties": many})
    assert len(found) == MAX_ATTRIBUTES + 1
    assert len(found["custom_properties"]) == MAX_ATTRIBUTES


def test_updated_attributes__at_the_limit__what_is_known_still_changes() -> None:
    known = {f"a{number}": number for number in range(MAX_ATTRIBUTES)}
    assert updated_attributes(known, {"a0": "new", "b": 1})["a0"] == "new"


@pytest.mark.parametrize("change", [updated_attributes, completed_attributes])
def test_attributes__over_the_bytes__what_is_known_stays_and_what_fits_is_added(
    change: Any,
) -> None:
    known: dict[str, Any] = {"a": "x" * 30_000, "custom_properties": {"b": "y" * 30_000}}
    given = {"long": "z" * 10_000, "short": 1, "custom_properties": {"c": "z" * 10_000, "d": 2}}
    found = change(known, given)
    assert found == {
        "a": known["a"],
        "short": 1,
        "custom_properties": {**known["custom_properties"], "d": 2},
    }
    assert attributes_size(found) <= MAX_ATTRIBUTES_BYTES


def test_updated_attributes__longer_value_that_does_not_fit__keeps_the_known_one() -> None:
    known = {"a": "x" * 60_000, "b": "old", "gone": 1}
    given = {"b": "y" * 10_000, "gone": None, "new": 2}
    assert updated_attributes(known, given) == {"a": known["a"], "b": "old", "new": 2}


def test_completed_attributes__more_custom_properties_than_fit__is_never_too_large() -> None:
    many = {f"k{each}": "ä" * each for each in range(900)}
    found = completed_attributes({}, {"custom_properties": many})
    assert MAX_ATTRIBUTES_BYTES - 1_000 < attributes_size(found) <= MAX_ATTRIBUTES_BYTES
