from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.optimize import brentq

from fairlot.stats.effects import Effect, effect_of
from fairlot.stats.lifts import fieller
from fairlot.stats.welch import quantile_of, welch
from support.measured import measured


def _effect(
    shift: float = 0.4,
    n: int = 60,
    *,
    cuped: bool = False,
    chance: np.random.Generator | None = None,
) -> Effect:
    chance = chance or np.random.default_rng(1954)

    def arm(size: int, mean: float) -> tuple[np.ndarray, ...]:
        before = chance.gamma(2, 1, size)
        return (mean + before + chance.normal(0, 1, size), before, np.zeros(size))

    found = effect_of(measured(*arm(n, 2.0)), measured(*arm(n + 20, 2.0 + shift)), cuped=cuped)
    assert isinstance(found, Effect)
    return found


def test_fieller__two_means__solved_for_each_end() -> None:
    effect, alpha = _effect(), 0.05
    reach = quantile_of(effect, alpha)

    def beyond(lift: float) -> float:
        error = sqrt(effect.se_treatment**2 + ((1 + lift) * effect.se_control) ** 2)
        away = effect.value_treatment - (1 + lift) * effect.value_control
        return abs(away) / error - reach

    found = fieller(effect, alpha)
    assert found.estimate == pytest.approx(effect.value_treatment / effect.value_control - 1)
    assert found.interval is not None
    assert found.estimate is not None
    assert found.interval.low == pytest.approx(brentq(beyond, -0.9, found.estimate), abs=1e-9)
    assert found.interval.high == pytest.approx(brentq(beyond, found.estimate, 9), abs=1e-9)


@pytest.mark.parametrize("cuped", [True, False])
@pytest.mark.parametrize("shift", [-0.5, 0.1, 0.35, 0.6])
def test_fieller__and_the_difference__leave_out_zero_together(shift: float, cuped: bool) -> None:
    effect = _effect(shift, cuped=cuped)
    edge = welch(effect, 0.05).p
    for alpha, leaves_out in ((edge * 1.001, True), (edge * 0.999, False)):
        interval = fieller(effect, alpha).interval
        assert interval is not None
        assert (interval.low > 0 or interval.high < 0) is leaves_out


def test_fieller__cuped__covers_as_often_as_it_says() -> None:
    chance, covered = np.random.default_rng(1), 0
    for _ in range(300):
        interval = fieller(_effect(0.4, 80, cuped=True, chance=chance), 0.1).interval
        assert interval is not None
        covered += interval.low <= 0.1 <= interval.high  # 4.4 / 4 - 1
    assert abs(covered - 270) <= 3 * sqrt(300 * 0.1 * 0.9)


def test_fieller__a_longer_reach__a_wider_lift() -> None:
    effect = _effect()
    near, far = fieller(effect, 0.05).interval, fieller(effect, 0.05, reach=3.5).interval
    assert near is not None
    assert far is not None
    assert far.low < near.low < near.high < far.high


@pytest.mark.parametrize("value", [0.0, 0.19, -3.0])
def test_fieller__control_not_clearly_positive__hidden(value: float) -> None:
    effect = replace(_effect(), value_control=value, se_control=0.1)
    found = fieller(effect, 0.05)
    assert found.interval is None
    assert found.estimate is None
    assert found.hidden_because == "the value of the control is not clearly above zero"
