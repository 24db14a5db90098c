"""The metrics of an experiment: written in place, or named."""

from typing import Any

import pytest

from fairlot.manifest.definitions import MetricDefinition, MetricType
from support.experiment_texts import problems_with, with_lines

PAID = MetricDefinition(key="paid", name="Paid", type=MetricType.SUM, event_name="paid")
SEEN = MetricDefinition(key="seen", name="Seen", type=MetricType.COUNT, event_name="seen")


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
            '3: metrics[0].kind: "sum": not a field here; known: isPrimary, metric',
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


def test_metric__without_any__says_how_to_write_one() -> None:
    assert problems_with("metrics: [paid]") == [
        (
            '3: metrics[0]: "paid": no such metric; there is none yet: write one in a document of '
            "`kind: metric`"
        )
    ]
