from typing import Any

import pytest

from fairlot.events.properties import MAX_DEPTH, properties_problem


def nested(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"a": None, "b": [1, 2.5, True, "x"], "c": {"d": {}}},
        {"a": "{[" * 100},
        {"a": "\\u0000"},
        {"a": [[] for _ in range(100)]},
        {"a": nested(MAX_DEPTH - 1)},
        {"a": 2**70},
        {"a": "x" * 8184},
        {"fairlot": 1},
    ],
)
def test_properties_problem__what_can_be_stored__none(properties: dict[str, Any]) -> None:
    assert properties_problem(properties) is None


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"a": "x" * 8185}, "over 8192 bytes"),
        ({"a": nested(MAX_DEPTH)}, "deeper than 32"),
        ({"a": nested(100_000)}, "deeper than 32"),
        ({"a": ["\0"]}, "U+0000"),
        ({"a\0": 1}, "U+0000"),
        ({"a": "\udc00"}, "surrogate"),
        ({"\udc00": 1}, "surrogate"),
        ({"a": {"b": float("nan")}}, "NaN"),
        ({"a": [float("-inf")]}, "infinite"),
        ({"fairlot.sent_at_ms": 1}, "'fairlot.sent_at_ms'"),
    ],
)
def test_properties_problem__what_cannot__is_said(properties: dict[str, Any], words: str) -> None:
    assert words in (properties_problem(properties) or "")
