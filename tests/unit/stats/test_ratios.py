import numpy as np
import pytest
import tea_tasting as tt
from scipy.stats import skew

from fairlot.stats.effects import Effect, NoEffect, effect_of
from fairlot.stats.ratios import response_of
from support.measured import measured, moments

# The published case of the design: (sessions, clicks) of ten subjects an arm.
CONTROL = ((3, 1), (5, 2), (2, 0), (8, 3), (4, 1), (6, 2), (1, 0), (7, 4), (3, 1), (5, 1))
TREATMENT = ((4, 2), (5, 3), (2, 1), (9, 4), (3, 2), (6, 2), (1, 1), (6, 4), (4, 1), (5, 3))


def _clicks_by_sessions(pairs: tuple[tuple[int, int], ...]) -> list[list[int]]:
    return [[clicks for _, clicks in pairs], [sessions for sessions, _ in pairs]]


def test_ratio__published_clicks_and_sessions__published_difference_and_error() -> None:
    effect = effect_of(
        measured(*_clicks_by_sessions(CONTROL), responses=2),
        measured(*_clicks_by_sessions(TREATMENT), responses=2),
        responses=2,
    )
    assert isinstance(effect, Effect)
    assert effect.difference == pytest.approx(0.1702020202, abs=5e-11)
    assert effect.standard_error == pytest.approx(0.0681934908, abs=5e-11)
    assert effect.value_control == pytest.approx(15 / 44)


def test_ratio__simulated_orders__as_tea_tasting() -> None:
    data = tt.make_users_data(rng=1, n_users=2000, return_type="pandas")
    arms = [data[data["variant"] == variant] for variant in (0, 1)]
    effect = effect_of(
        *(measured(arm["orders"], arm["sessions"], responses=2) for arm in arms), responses=2
    )
    theirs = tt.RatioOfMeans("orders", "sessions", use_t=True).analyze(data, 0, 1, "variant")
    assert isinstance(effect, Effect)
    assert effect.difference == pytest.approx(theirs.effect_size, rel=1e-9)
    assert effect.difference / effect.standard_error == pytest.approx(theirs.statistic, rel=1e-9)


def test_ratio__skewness__of_the_linear_pairs() -> None:
    chance = np.random.default_rng(3)
    d = chance.poisson(3, 500) + 1.0
    y = chance.lognormal(0, 1, 500) * d
    response = response_of(moments(y, d, responses=2), 2)
    assert response is not None
    assert response.skewness == pytest.approx(skew(y - response.value * d), rel=1e-10)


def test_ratio__nobody_has_the_denominator__says_so() -> None:
    nothing = measured([0, 0, 0], [0, 0, 0], responses=2)
    something = measured([1, 0, 2], [2, 1, 3], responses=2)
    assert effect_of(nothing, something, responses=2) is NoEffect.NO_DENOMINATOR


def test_response__nobody__none() -> None:
    assert response_of(moments([]), 1) is None


def test_ratio__the_same_for_all__no_variance() -> None:
    always = measured([0.3, 0.6, 2.1], [0.1, 0.2, 0.7], responses=2)
    assert effect_of(always, always, responses=2) is NoEffect.NO_VARIANCE
