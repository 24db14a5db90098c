import numpy as np
import pytest
from scipy import stats

from fairlot.stats.effects import Effect, NoEffect, effect_of
from fairlot.stats.welch import welch
from support.measured import measured

CHANCE = np.random.default_rng(1947)
CONTROL = CHANCE.lognormal(0, 1, 310)
TREATMENT = CHANCE.lognormal(0.2, 1.3, 90)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_welch__simulated_arms__as_scipy(alpha: float) -> None:
    effect = effect_of(measured(CONTROL), measured(TREATMENT))
    assert isinstance(effect, Effect)
    found = welch(effect, alpha)
    theirs = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False)
    interval = theirs.confidence_interval(1 - alpha)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert effect.degrees_of_freedom == pytest.approx(theirs.df, rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (interval.low, interval.high), rel=1e-9
    )
    assert effect.skewness_control == pytest.approx(stats.skew(CONTROL), rel=1e-9)


def test_welch__far_apart__p_does_not_vanish() -> None:
    effect = effect_of(measured(CHANCE.normal(0, 1, 400)), measured(CHANCE.normal(4, 1, 400)))
    assert isinstance(effect, Effect)
    assert 0 < welch(effect, 0.05).p < 1e-100


def test_effect__shifted_by_1e9__the_same() -> None:
    near = effect_of(measured(CONTROL), measured(TREATMENT))
    far = effect_of(measured(CONTROL + 1e9), measured(TREATMENT + 1e9))
    assert isinstance(near, Effect)
    assert isinstance(far, Effect)
    assert far.difference == pytest.approx(near.difference, abs=1e-6)
    assert far.standard_error == pytest.approx(near.standard_error, rel=1e-7)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [1, 2], NoEffect.NO_SUBJECTS),
        ([1, 2], [1], NoEffect.ONE_SUBJECT),
        ([0, 0, 0], [0, 0], NoEffect.NO_VARIANCE),
        ([0.1] * 7, [0.3] * 11, NoEffect.NO_VARIANCE),
    ],
)
def test_effect__nothing_to_compare__a_reason(
    control: list[float], treatment: list[float], reason: NoEffect
) -> None:
    assert effect_of(measured(control), measured(treatment)) is reason


def test_effect__one_arm_all_zeros__known() -> None:
    effect = effect_of(measured([0] * 50), measured([0, 1, 3, 5]))
    assert isinstance(effect, Effect)
    assert effect.degrees_of_freedom == pytest.approx(3)
    assert effect.skewness_control is None
    assert (effect.converted_control, effect.converted_treatment) == (0, 3)
