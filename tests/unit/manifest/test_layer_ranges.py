"""The range of a layer that an experiment file takes."""

import pytest

from support.experiment_texts import problems_with


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (
            "layer: checkout",
            ['3: layer: "checkout": write a mapping of fields, as in {key: value}'],
        ),
        (
            "layer: {key: checkout}",
            [f"3: layer.{field}: missing; it is required" for field in ("start", "end")],
        ),
        (
            "layer: {key: Checkout, start: 0, end: 1}",
            [
                (
                    '3: layer.key: "Checkout": start with a lower-case letter, '
                    "then up to 63 of a-z 0-9 _ -"
                )
            ],
        ),
        (
            "layer: {key: c, start: 0, end: 10001}",
            ["3: layer.end: 10001: write a whole number from 0 to 10000"],
        ),
        (
            "layer: {key: c, start: 5, end: 5}",
            ['3: layer: "[5, 5)": 0 <= start < end <= 10000'],
        ),
        (
            "layer: {key: c, start: 0, end: 1, salt: x}",
            ['3: layer.salt: "x": not a field here; known: end, key, start'],
        ),
    ],
)
def test_layer__wrong__is_refused(lines: str, problems: list[str]) -> None:
    assert problems_with(lines) == problems
