from typing import Any

import pytest

from fairlot.profiles.attributes import (
    MAX_ATTRIBUTES,
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
