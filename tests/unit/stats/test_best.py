"""Which arm of a result is the best of all: published figures, and where nothing can say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.results import ArmValue
from fairlot.stats.sufficient import Arm, ArmDay, MetricDay, Phase, Sufficient
from support.measured import measured
from support.sufficient import (
    BOUGHT,
    HALVES,
    arm_day,
    conversions,
    fixed,
    phase,
    question,
    sufficient,
)

THREE = phase(*HALVES, Arm("c", False, 0.5))
SUM = replace(BOUGHT, kind=MetricKind.SUM)


def arms_of(found: Sufficient) -> tuple[ArmValue, ...]:
    return analyse(found, fixed(found.question)).metrics[0].arms


def of_three(
    rows: Sequence[ArmDay], metric: Metric = BOUGHT, phases: tuple[Phase, ...] = (THREE,)
) -> tuple[ArmValue, ...]:
    return arms_of(sufficient(rows, question(metric, phases=phases)))


def three_rates(*converted: int, n: int = 100) -> list[ArmDay]:
    keys = ("control", "b", "c")
    return [
        row
        for key, count in zip(keys, converted, strict=True)
        for row in conversions(key, (n, count))
    ]


def test_arms__of_rates__have_the_published_probabilities() -> None:
    arms = of_three(three_rates(20, 25, 30))
    best = [arm.probability_best for arm in arms]
    assert best == pytest.approx([0.031282, 0.206258, 0.762460], abs=5e-7)


def test_arms__of_two_rates__have_the_published_losses() -> None:
    rows = [*conversions("control", (1_000, 100)), *conversions("b", (1_000, 130))]
    control, b = arms_of(sufficient(rows))
    assert b.probability_best == pytest.approx(0.982165066, abs=5e-10)
    assert b.expected_loss == pytest.approx(0.0000923745, abs=5e-11)
    assert control.expected_loss == pytest.approx(0.0300324930, abs=5e-9)


def alternating(middle: float, n: int = 2_000) -> MetricDay:
    return measured([middle - 1, middle + 1] * (n // 2))


def test_arms__of_values__agree_with_what_each_comparison_says() -> None:
    rows = [arm_day("control", 0, {"bought": alternating(5)})]
    rows += [arm_day("b", 0, {"bought": alternating(5.03)})]
    found = sufficient(rows, question(SUM))
    (metric,) = analyse(found, fixed(found.question)).metrics
    view = metric.comparisons[0].bayesian
    assert view is not None
    assert metric.arms[1].probability_best == pytest.approx(view.probability_better)
    assert metric.arms[1].expected_loss == pytest.approx(view.expected_loss)


def test_arms__of_three_sums__share_one_probability() -> None:
    middles = {"control": 5.0, "b": 5.03, "c": 5.03}
    rows = [arm_day(key, 0, {"bought": alternating(middle)}) for key, middle in middles.items()]
    best = [arm.probability_best or 0.0 for arm in of_three(rows, SUM)]
    assert sum(best) == pytest.approx(1)
    assert best[1] == pytest.approx(best[2])
    assert best[0] < 0.2 < best[1]


@pytest.mark.parametrize(
    "rows",
    [
        [*conversions("control", (100, 20)), *conversions("b", (100, 25))],
        [],
        [row for row in three_rates(20, 25, 30) if row.variant_key != "control"],
    ],
)
def test_arms__one_of_which_nobody_saw__have_no_probability(rows: list[ArmDay]) -> None:
    assert {arm.probability_best for arm in of_three(rows)} == {None}


def test_arms__one_of_which_came_later__have_no_probability() -> None:
    rows = three_rates(20, 25, 30)
    later = [replace(row, phase=2) for row in rows]
    early = [row for row in rows if row.variant_key != "c"]
    found = of_three([*early, *later], phases=(phase(), replace(THREE, number=2)))
    assert {arm.probability_best for arm in found} == {None}


def test_arms__that_do_not_vary__have_no_probability() -> None:
    middles = {"control": alternating(5), "b": alternating(5), "c": measured([5.0] * 200)}
    rows = [arm_day(key, 0, {"bought": day}) for key, day in middles.items()]
    assert {arm.probability_best for arm in of_three(rows, SUM)} == {None}


def test_arms__by_segment__have_no_probability() -> None:
    rows = three_rates(20, 25, 30)
    asked = question(phases=(THREE,), segment_by="device")
    assert {arm.probability_best for arm in arms_of(sufficient(rows, asked))} == {None}


def test_arms__more_than_twelve__have_no_probability() -> None:
    keys = [f"v{number}" for number in range(12)]
    phases = (phase(HALVES[0], *(Arm(key, False, 0.04) for key in keys)),)
    rows = [row for key in ("control", *keys) for row in conversions(key, (100, 20))]
    assert {arm.probability_best for arm in of_three(rows, phases=phases)} == {None}
