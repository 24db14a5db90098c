from math import sqrt

import numpy as np
import pytest

from fairlot.stats.effects import (
    Effect,
    NoEffect,
    effect_of,
    effect_over_phases,
    merged_days,
    stratified,
)
from fairlot.stats.sufficient import MetricDay
from support.measured import measured

CHANCE = np.random.default_rng(1946)


def _known(control: MetricDay, treatment: MetricDay) -> Effect:
    found = effect_of(control, treatment)
    assert isinstance(found, Effect)
    return found


PHASES = [
    (measured(CHANCE.gamma(1, 1, 90)), measured(CHANCE.gamma(1, 1, 10))),
    (measured(CHANCE.gamma(3, 1, 150)), measured(CHANCE.gamma(3, 1, 150))),
]


def test_stratified__two_phases__weighted_by_their_size() -> None:
    one, two = (_known(*phase) for phase in PHASES)
    both = effect_over_phases(PHASES)
    assert isinstance(both, Effect)
    assert both.difference == pytest.approx(0.25 * one.difference + 0.75 * two.difference)
    assert both.standard_error == pytest.approx(
        sqrt((0.25 * one.standard_error) ** 2 + (0.75 * two.standard_error) ** 2)
    )
    assert (both.n_control, both.n_treatment) == (240, 160)
    # Pooled, the arms differ by what the phases differ in.
    pooled = _known(*(merged_days(arm) for arm in zip(*PHASES, strict=True)))
    assert abs(pooled.difference - both.difference) > 0.3


def test_stratified__phases_alike__as_of_one_sample() -> None:
    # The third cumulant of a mean of 2n is a quarter of that of n: the same skewness.
    one = _known(*PHASES[1])
    both = stratified([(one, 5.0), (one, 5.0)])
    assert both.standard_error == pytest.approx(one.standard_error / sqrt(2))
    assert both.skewness_control == pytest.approx(one.skewness_control)
    assert both.degrees_of_freedom == pytest.approx(2 * one.degrees_of_freedom)


def test_stratified__cuped_in_every_phase__its_reduction() -> None:
    def arm(n: int) -> MetricDay:
        before = CHANCE.gamma(2, 1, n)
        return measured(before + CHANCE.normal(0, 1, n), before, np.zeros(n))

    phases = [(arm(100), arm(100)), (arm(200), arm(300))]
    adjusted, plain = (effect_over_phases(phases, cuped=cuped) for cuped in (True, False))
    assert isinstance(adjusted, Effect)
    assert isinstance(plain, Effect)
    assert adjusted.no_cuped is None
    assert adjusted.variance_reduction == pytest.approx(
        1 - (adjusted.standard_error / plain.standard_error) ** 2
    )


def test_phases__one_that_says_nothing__left_out() -> None:
    alone = (measured([1.0, 2.0]), measured([]))
    assert effect_over_phases([alone, PHASES[1]]) == _known(*PHASES[1])
    assert effect_over_phases([alone]) is NoEffect.NO_SUBJECTS
    assert effect_over_phases([]) is NoEffect.NO_SUBJECTS
    nothing = (measured([0, 0, 0]), measured([0, 0]))
    assert effect_over_phases([nothing, nothing]) is NoEffect.NO_VARIANCE


def test_phases__one_without_variance__counts_with_its_weight() -> None:
    nothing = (measured([0] * 200), measured([0] * 100))
    both = effect_over_phases([nothing, PHASES[1]])
    assert isinstance(both, Effect)
    assert both.difference == pytest.approx(_known(*PHASES[1]).difference / 2)
