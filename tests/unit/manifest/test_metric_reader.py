"""The metrics of an experiment: written in place, or named."""

from typing import Any

import pytest

from fairlot.manifest.definitions import MetricDefinition
from fairlot.stats.metrics import MetricKind
from support.experiment_texts import problems_with, with_lines

PAID = MetricDefinition(key="paid", name="Paid", type=MetricKind.SUM, event_name="paid")
SEEN = MetricDefinition(key="seen", name="Seen", type=MetricKind.COUNT, event_name="seen")


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ("[paid]", [{"metric": "paid", "isPrimary": False}]),
        (
            "[seen, {metric: paid, isPrimary: true}]",
            [
                {"metric": "seen", "isPrimary": False},
                {"metric": "paid", "isPrimary": True},
            ],
        ),
        (
            "[{metric: paid}, {key: own, kind: count, eventName: e}]",
            [
                {"metric": "paid", "isPrimary": False},
                {
                    "key": "own",
                    "name": "own",
                    "kind": "count",
                    "eventName": "e",
                    "isPrimary": False,
                },
            ],
        ),
    ],
)
def test_metrics__named_and_in_place__are_read(
    metrics: str, expected: list[dict[str, Any]]
) -> None:
    assert list(with_lines(f"metrics: {metrics}", PAID, SEEN).metrics) == expected


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ("[piad]", '3: metrics[0]: "piad": no such metric; did you mean paid?'),
        ("[{metric: piad}]", '3: metrics[0].metric: "piad": no such metric; did you mean paid?'),
        ("[{metric: ''}]", '3: metrics[0].metric: "": write a text, or leave the field out'),
        ("[{metric: null}]", "3: metrics[0].metric: null: missing; it is required"),
        (
            "[{metric: paid, kind: sum}]",
            (
                '3: metrics[0].kind: "sum": not a field here; known: isGuardrail, isPrimary, '
                "margin, metric, minimumEffect"
            ),
        ),
        ("[{metric: paid, isPrimary: 1}]", "3: metrics[0].isPrimary: 1: write true or false"),
        ("[paid, seen, paid]", '3: metrics[2]: "paid": each metric has its own key'),
        (
            "[paid, {metric: paid}]",
            '3: metrics[1].metric: "paid": each metric has its own key',
        ),
        (
            "[paid, {key: paid, kind: sum, eventName: e}]",
            '3: metrics[1].key: "paid": each metric has its own key',
        ),
        (
            "[1]",
            (
                "3: metrics[0]: 1: write the key of a metric, or a mapping of fields, as in "
                "{metric: key, isPrimary: true}"
            ),
        ),
        ("paid", '3: metrics: "paid": write a list, as in [a, b]'),
    ],
)
def test_metrics__wrong__are_refused(metrics: str, problem: str) -> None:
    assert problems_with(f"metrics: {metrics}", PAID, SEEN) == [problem]


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ("{}", "3: metrics: {}: write a list, as in [a, b]"),
        ("[{kind: sum, eventName: e}]", "3: metrics[0].key: missing; it is required"),
        ("[{key: m, eventName: e}]", "3: metrics[0].kind: missing; it is required"),
        ("[{key: m, kind: sum}]", "3: metrics[0].eventName: missing; it is required"),
        (
            "[{key: m, kind: means, eventName: e}]",
            (
                '3: metrics[0].kind: "means": write one of conversion, count, sum, mean, ratio, '
                "quantile; did you mean mean?"
            ),
        ),
        (
            "[{key: m, kind: sum, eventName: e, isPrimary: 1}]",
            "3: metrics[0].isPrimary: 1: write true or false",
        ),
        (
            "[{key: m, kind: sum, eventName: e}, {key: m, kind: sum, eventName: e}]",
            '3: metrics[1].key: "m": each metric has its own key',
        ),
        (
            "[{key: m, kind: sum, event: e, eventName: e}]",
            '3: metrics[0].event: "e": not a field here; did you mean eventName?',
        ),
    ],
)
def test_metric__in_place_and_wrong__is_refused(metrics: str, problem: str) -> None:
    assert problems_with(f"metrics: {metrics}") == [problem]


def test_metric__without_any__says_how_to_write_one() -> None:
    assert problems_with("metrics: [paid]") == [
        (
            '3: metrics[0]: "paid": no such metric; there is none yet: write one in a document of '
            "`kind: metric`"
        )
    ]


def test_metric__of_every_kind_in_place__keeps_what_is_written() -> None:
    text = """metrics:
  - {key: a, kind: ratio, numerator: {eventName: paid, aggregate: sum, where: {sku: x}},
     denominator: {eventName: visit, aggregate: count}, winsorise: {quantile: 0.99}}
  - {key: b, kind: quantile, eventName: load, quantile: 0.5, direction: decrease, window: 12h}
  - {key: c, kind: mean, eventName: paid, winsorise: {cap: 500}, countsPublic: true,
     isGuardrail: true, margin: 0.5}"""
    ratio, quantile, mean = with_lines(text).metrics
    assert ratio == {
        "key": "a",
        "name": "a",
        "kind": "ratio",
        "numerator": {"eventName": "paid", "aggregate": "sum", "where": {"sku": "x"}},
        "denominator": {"eventName": "visit", "aggregate": "count"},
        "winsorise": {"quantile": 0.99},
        "isPrimary": False,
    }
    assert quantile == {
        "key": "b",
        "name": "b",
        "kind": "quantile",
        "eventName": "load",
        "quantile": 0.5,
        "direction": "decrease",
        "windowMs": 12 * 3_600_000,
        "isPrimary": False,
    }
    assert mean == {
        "key": "c",
        "name": "c",
        "kind": "mean",
        "eventName": "paid",
        "winsorise": {"cap": 500.0},
        "countsPublic": True,
        "margin": 0.5,
        "isPrimary": False,
        "isGuardrail": True,
    }


def test_guardrail__with_the_margin_of_its_metric__is_read() -> None:
    safe = MetricDefinition(key="s", name="S", type=MetricKind.SUM, event_name="e", margin=2.0)
    (metric,) = with_lines(
        "metrics: [{metric: s, isGuardrail: true, minimumEffect: 3}]", safe
    ).metrics
    assert metric == {"metric": "s", "minimumEffect": 3.0, "isPrimary": False, "isGuardrail": True}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("kind: ratio", ".numerator: missing; it is required"),
        (
            "kind: ratio, eventName: e",
            '.eventName: "e": of a numerator or a denominator here; remove it',
        ),
        ("kind: sum", ".eventName: missing; it is required"),
        ("kind: quantile, eventName: e", ".quantile: missing; it is required"),
        ("kind: sum, eventName: e, quantile: 0.5", ".quantile: 0.5: of a quantile only; remove it"),
        (
            "kind: quantile, eventName: e, quantile: 1",
            ".quantile: 1: write a number over 0 and under 1, as in 0.95",
        ),
        (
            "kind: sum, eventName: e, winsorise: false",
            ".winsorise: false: write {quantile: 1}, and nothing is capped",
        ),
        (
            "kind: sum, eventName: e, winsorise: {}",
            ".winsorise.cap: write one of cap and quantile",
        ),
        (
            "kind: sum, eventName: e, winsorise: {cap: 1, quantile: 1}",
            ".winsorise.quantile: 1: write one of cap and quantile",
        ),
        (
            "kind: sum, eventName: e, winsorise: {cap: -1}",
            ".winsorise.cap: -1: write a number over 0, in the unit of the metric",
        ),
        (
            "kind: sum, eventName: e, isGuardrail: true",
            ".margin: missing; say the largest worsening that is tolerated, in the metric's unit",
        ),
        (
            "kind: sum, eventName: e, isGuardrail: true, margin: 1, isPrimary: true",
            ".isGuardrail: true: a primary metric is no guardrail; keep one of the two",
        ),
    ],
)
def test_measure__that_fits_no_kind__is_refused(fields: str, problem: str) -> None:
    found = problems_with(f"metrics: [{{key: m, {fields}}}]")
    assert f"3: metrics[0]{problem}" in found


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        (
            "{a: {$regex: x}}",
            (
                '.a.$regex: "x": $regex is not for metrics; use $eq $ne $lt $lte $gt $gte $in $nin '
                "$exists, and $and $or $not around properties"
            ),
        ),
        (
            "{$nor: [{a: 1}]}",
            (
                '.$nor: [{"a":1}]: $nor is not for metrics; use $eq $ne $lt $lte $gt $gte $in $nin '
                "$exists, and $and $or $not around properties"
            ),
        ),
        (
            "{a: {b: 1}}",
            ".a.b: 1: write the path of what lies inside with dots, as in a.b",
        ),
        (
            "{$or: [{a: null}]}",
            (
                ".$or[0].a: null: compare with a text, a number, true or false; for what is "
                "missing write {$exists: false}"
            ),
        ),
        ("{$and: [1]}", ".$and[0]: 1: a rule is an object of attributes and operators"),
        ("{a: {$gt: true}}", ".a.$gt: true: compare with a text or a number"),
        ("{a: {$exists: 1}}", ".a.$exists: 1: write true or false"),
        ("{a: {$gtt: 1}}", ".a.$gtt: 1: $gtt is not an operator; did you mean $gt?"),
        ('{"a\\0": 1}', ".a\\x00: 1: no property has U+0000 in its name"),
        ('{a: {$in: ["\\0"]}}', '.a.$in[0]: "\\u0000": no property holds U+0000'),
        ('{a: {$gt: "\\0"}}', '.a.$gt: "\\u0000": no property holds U+0000'),
    ],
)
def test_where__outside_what_warehouses_answer__is_refused(where: str, problem: str) -> None:
    found = problems_with(f"metrics: [{{key: m, kind: sum, eventName: e, where: {where}}}]")
    assert found == [f"3: metrics[0].where{problem}"]


def test_where__all_that_warehouses_answer__is_read() -> None:
    where = "{a: {$in: [x, 1], $gte: 1, $exists: true}, $not: {b: y}, $or: [{c: {$ne: 2}}]}"
    text = f"metrics: [{{key: m, kind: sum, eventName: e, where: {where}}}]"
    (metric,) = with_lines(text).metrics
    assert metric["where"] == {
        "a": {"$in": ["x", 1], "$gte": 1, "$exists": True},
        "$not": {"b": "y"},
        "$or": [{"c": {"$ne": 2}}],
    }
