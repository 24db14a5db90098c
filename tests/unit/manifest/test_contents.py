"""When two contents are the same."""

import pytest

from fairlot.engine import Audience, RuleSegment
from fairlot.manifest.contents import same_content


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, True, False),
        (0, False, False),
        (1, 1.0, False),
        ("1", 1, False),
        (None, None, True),
        ({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (Audience(rule={"vip": 1}), Audience(rule={"vip": True}), False),
        (Audience(rule={"vip": True}), Audience(rule={"vip": True}), True),
        ((RuleSegment("s", {"n": 1}), None), (RuleSegment("s", {"n": 1.0}), None), False),
    ],
)
def test_same_content__one_and_another__by_value_and_type(
    one: object, other: object, same: bool
) -> None:
    assert same_content(one, other) is same
