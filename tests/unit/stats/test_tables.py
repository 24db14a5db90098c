"""What the rows of sufficient statistics come to, by arm, phase, day and segment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fairlot.stats.metrics import MetricKind
from fairlot.stats.sufficient import Arm
from fairlot.stats.tables import sizes_of, tables_of
from support.measured import measured
from support.sufficient import BOUGHT, START, arm_day, conversions, phase, question, sufficient

PHASES = (
    phase(Arm("control", True, 0.5), Arm("b", False, 0.5)),
    phase(Arm("control", True, 0.1), Arm("b", False, 0.9), number=2),
)


def test_arm_value__of_phases__adds_up_what_was_done() -> None:
    """The weighted rate times the subjects would be another sum: 0.5 and 0.1 are not pooled."""
    rows = [
        *conversions("control", (100, 50)),
        *conversions("b", (100, 50)),
        *conversions("control", (20, 2), phase=2),
        *conversions("b", (180, 18), phase=2),
    ]
    (table,) = tables_of(sufficient(rows, question(phases=PHASES)), BOUGHT)
    found = table.arm_value("control")
    assert found.total == pytest.approx(52)
    assert found.value == pytest.approx((0.5 * 200 + 0.1 * 200) / 400)


def test_arm_value__of_nobody_or_of_a_mean__has_no_total() -> None:
    assert tables_of(sufficient([]), BOUGHT)[0].arm_value("b").total is None
    mean = replace(BOUGHT, kind=MetricKind.MEAN)
    of_two = {"bought": measured([3.0, 1.0], [1.0, 1.0], responses=2)}
    found = tables_of(sufficient([arm_day("b", 0, of_two)]), mean)[0].arm_value("b")
    assert (found.value, found.total) == (2.0, None)


def test_pairs_by_day__grow_and_end_with_all() -> None:
    rows = [*conversions("control", (10, 1), (20, 2)), *conversions("b", (5, 0), (0, 0), (7, 3))]
    (table,) = tables_of(sufficient(rows), BOUGHT)
    days = dict(table.pairs_by_day("control", "b"))
    assert list(days) == [START + timedelta(days=day) for day in range(3)]
    sizes = [[(a.n, b.n) for a, b in pairs] for pairs in days.values()]
    assert sizes == [[(10, 5)], [(30, 5)], [(30, 12)]]
    assert [(a.n, b.n) for a, b in table.pairs("control", "b")] == [(30, 12)]


def test_tables__of_segments__are_one_a_value_the_missing_one_first() -> None:
    rows = [
        *conversions("b", (3, 1), segment="mobile"),
        *conversions("b", (4, 1)),
        *conversions("b", (5, 1), segment="desktop"),
    ]
    found = tables_of(sufficient(rows), BOUGHT)
    sizes = [(each.segment, each.arm_value("b").n) for each in found]
    assert sizes == [(None, 4), ("desktop", 5), ("mobile", 3)]
    assert sizes_of(sufficient(rows), BOUGHT) == {"b": 12}
