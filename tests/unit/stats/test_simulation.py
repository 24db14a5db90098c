"""Experiments that are replayed: who errs, what is covered, and what the populations are."""

from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, kstest, ttest_ind

from fairlot.stats.populations import POPULATIONS, Population, with_lift
from fairlot.stats.results import Method
from fairlot.stats.simulation import Rules, Share, Watched, cap_of, capped, summary_of, watch

EVERY_100 = range(100, 1_001, 100)


def alternating(n: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(n) % 2 == 1)


def normal(n: int = 1_000) -> NDArray[np.float64]:
    return np.random.default_rng(5).standard_normal(n)


@pytest.mark.parametrize("population", POPULATIONS.values(), ids=list(POPULATIONS))
@pytest.mark.parametrize("cap", [inf, 150.0])
def test_population__many_draws__has_its_mean(population: Population, cap: float) -> None:
    drawn = population.responses(np.random.default_rng(1), 400_000)
    if population.is_winsorised:
        drawn = np.minimum(drawn, cap)
    error = drawn.std() / np.sqrt(len(drawn))
    assert abs(drawn.mean() - population.capped_mean(cap)) < 4 * error


def test_population__with_history__correlates_and_is_new_in_three_of_ten() -> None:
    now, before, is_new = POPULATIONS["normal"].with_history(np.random.default_rng(2), 200_000)
    known = is_new == 0
    assert np.corrcoef(now[known], before[known])[0, 1] == pytest.approx(0.5, abs=0.01)
    assert is_new.mean() == pytest.approx(0.3, abs=0.01)
    assert not before[~known].any()


@pytest.mark.parametrize(("name", "lift"), [("binary", 0.5), ("binary", -0.5), ("buyers", 0.2)])
def test_with_lift__planted__moves_the_mean_by_it(name: str, lift: float) -> None:
    population = POPULATIONS[name]
    generator = np.random.default_rng(3)
    plain = population.responses(generator, 400_000)
    planted = with_lift(plain, lift, population.is_conversion, generator)
    assert planted.mean() - plain.mean() == pytest.approx(lift * plain.mean(), rel=0.05)


def test_effect_of_lift__capped_amounts__is_what_draws_show() -> None:
    population, cap = POPULATIONS["lognormal"], 20.0
    plain = population.responses(np.random.default_rng(4), 400_000)
    shown = np.minimum(1.3 * plain, cap).mean() - np.minimum(plain, cap).mean()
    assert population.effect_of_lift(0.3, cap) == pytest.approx(float(shown), rel=0.02)


def test_watch__large_effect__is_seen_and_covered() -> None:
    treated = alternating(1_000)
    values = normal() + 5.0 * treated
    found = watch([values], EVERY_100, treated, Rules(), truth=5.0)
    assert found.opened
    assert found.excluded_zero
    assert not found.excluded_truth
    assert not found.srm_blocked


def test_watch__truth_that_is_wrong_at_one_look__is_left_out() -> None:
    treated = alternating(1_000)
    truths = [0.0] * 9 + [3.0]
    found = watch([normal()], EVERY_100, treated, Rules(), truth=truths)
    assert (found.excluded_zero, found.excluded_truth) == (False, True)


def test_watch__few_subjects__concludes_nothing_but_shows_the_ungated() -> None:
    treated = alternating(190)
    values = normal(190) + 5.0 * treated
    found = watch([values], (90, 190), treated, Rules())
    assert (found.opened, found.excluded_zero) == (False, False)
    assert found.excluded_zero_ungated
    assert found.fixed_excluded_zero


def test_watch__last_look__has_the_p_of_scipy() -> None:
    treated = alternating(1_000)
    known = ttest_ind(normal()[treated], normal()[~treated], equal_var=False)
    found = watch([normal()], EVERY_100, treated, Rules(method=Method.FIXED))
    assert found.fixed_p == pytest.approx(float(known.pvalue), rel=1e-9)


def test_watch__arms_of_another_size_than_planned__srm_blocks() -> None:
    treated = np.arange(1_000) % 5 == 0
    assert watch([normal()], EVERY_100, treated, Rules()).srm_blocked
    assert not watch([normal()], EVERY_100, treated, Rules(treated_share=0.2)).srm_blocked


def test_watch__group_sequential__looks_as_often_as_planned() -> None:
    """An effect that shows only between the second and the last of two planned looks is unseen."""
    treated = alternating(1_000)
    values = normal() * 0.1
    values[500:700] += 1.0 * treated[500:700]
    values[700:] -= 2 / 3 * treated[700:]
    plan = Rules(method=Method.GROUP_SEQUENTIAL, looks=2, planned_size=1_000)
    often = Rules(method=Method.GROUP_SEQUENTIAL, looks=10, planned_size=1_000)
    assert not watch([values], EVERY_100, treated, plan).excluded_zero
    assert watch([values], EVERY_100, treated, often).excluded_zero


def test_watch__one_arm_empty__has_nothing_to_compare() -> None:
    found = watch([normal(200)], (100, 200), np.zeros(200, dtype=bool), Rules())
    assert (found.opened, found.fixed_p) == (False, 1.0)


def test_summary__runs__counts_and_their_intervals() -> None:
    runs = [
        Watched(
            opened=True,
            excluded_zero=number < 3,
            excluded_truth=False,
            excluded_zero_ungated=True,
            fixed_excluded_zero=False,
            fixed_p=(number + 0.5) / 40,
            srm_blocked=number == 0,
        )
        for number in range(40)
    ]
    found = summary_of(runs)
    assert found.excluded_zero == Share(3, 40)
    known = binomtest(3, 40).proportion_ci(0.95, "exact")
    interval = found.excluded_zero.interval
    assert (interval.low, interval.high) == pytest.approx((known.low, known.high), rel=1e-9)
    assert (found.excluded_truth.interval.low, found.opened.interval.high) == (0.0, 1.0)
    assert found.uniformity_p == pytest.approx(1.0, abs=1e-6)


def test_uniformity__p_values_that_are_too_small__is_near_that_of_scipy() -> None:
    values = np.random.default_rng(6).random(500) ** 1.2
    runs = [Watched(True, False, False, False, False, float(each), False) for each in values]
    known = kstest(values, "uniform").pvalue
    assert summary_of(runs).uniformity_p == pytest.approx(float(known), rel=0.05)


def test_capped__covariates__are_capped_and_the_flag_is_not() -> None:
    columns = [np.array([1.0, 9.0]), np.array([8.0, 0.0]), np.array([0.0, 1.0])]
    found = capped(columns, 0.5, 1)
    assert [list(each) for each in found] == [[0.5, 0.5], [0.5, 0.0], [0.0, 1.0]]
    assert [list(each) for each in capped(columns[:1], 5.0, 1)] == [[1.0, 5.0]]


def test_cap_of__no_quantile_or_no_subjects__is_none() -> None:
    assert cap_of(np.arange(1_001.0), 0.999) == pytest.approx(999.0)
    assert cap_of(np.arange(9.0), None) == cap_of(np.zeros(0), 0.999) == inf
