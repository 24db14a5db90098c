"""Trees with lines: finding a path, and showing a value."""

from typing import Any

import pytest

from fairlot.manifest.nodes import json_value, locate, shown, shown_value
from fairlot.manifest.problems import Problems
from fairlot.manifest.yaml_reader import read_documents

TEXT = """\
audience:
  rule:
    account.plan: {$in: [pro]}
    account: {plan.tier: 1}
variants:
  - key: a
  - key: b
    weight: 33.30
"""


def tree_of(text: str) -> Any:
    (document,) = read_documents(text, Problems("f"))
    return document.root


@pytest.mark.parametrize(
    ("path", "line", "value"),
    [
        ("", 1, None),
        ("audience", 1, None),
        ("audience.rule.account.plan.$in", 3, ["pro"]),
        ("audience.rule.account.plan.$in[0]", 3, "pro"),
        ("audience.rule.account.plan.tier", 3, {"$in": ["pro"]}),
        ("audience.rule.account.elsewhere", 4, {"plan.tier": 1}),
        ("variants[1].weight", 8, 33.3),
        ("variants[1].weight.more", 8, 33.3),
        ("variants[1].elsewhere", 7, {"key": "b", "weight": 33.3}),
        ("variants[0]", 6, {"key": "a"}),
        ("variants[2]", 5, [{"key": "a"}, {"key": "b", "weight": 33.3}]),
        ("variants.key", 5, [{"key": "a"}, {"key": "b", "weight": 33.3}]),
        ("elsewhere", 1, None),
    ],
)
def test_path__in_a_tree__is_found_or_its_nearest_parent(path: str, line: int, value: Any) -> None:
    found_line, node = locate(tree_of(TEXT), path)
    assert found_line == line
    assert value is None or json_value(node) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("33.30", "33.30"),
        ("0x10", "0x10"),
        ("True", "True"),
        ("on", '"on"'),
        ("'1'", '"1"'),
        ("[a, {b: 1.0}]", '["a",{"b":1.0}]'),
        ("x" * 100, '"' + "x" * 76 + "..."),
    ],
)
def test_value__shown__is_as_written_or_json(text: str, expected: str) -> None:
    assert shown(tree_of(text)) == expected


def test_value__not_json__is_shown_as_text() -> None:
    assert shown_value(1j) == '"1j"'
