"""Planning: published sizes, other libraries, and plans that cannot be."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from statsmodels.stats.power import NormalIndPower

from fairlot.stats.group_sequential import boundaries, equal_fractions
from fairlot.stats.planning import (
    Design,
    NoPlan,
    Size,
    effect_on_mean,
    effect_on_rate,
    power_for,
    size_for_mean,
    size_for_rate,
    subjects_after,
    weeks_until,
)
from fairlot.stats.results import Method
from support.results import half_width


def size(found: Size | NoPlan) -> Size:
    assert isinstance(found, Size)
    return found


def number(found: float | NoPlan) -> float:
    assert not isinstance(found, NoPlan)
    return found


@pytest.mark.parametrize(
    ("rate", "effect", "pooled", "ours"),
    [
        (0.20, 0.05, 1_030, 1_091),  # Evan Miller's calculator
        (0.20625, 0.01, 25_835, 26_153),  # Udacity A/B testing, final project
        (0.109313, 0.0075, 27_413, 27_982),
    ],
)
def test_size_for_rate__published_case__published_sizes(
    rate: float, effect: float, pooled: int, ours: int
) -> None:
    assert size(size_for_rate(rate, effect, Design())) == Size(ours, ours, 2 * ours)
    assert size(size_for_rate(rate, effect, Design(is_pooled=True))).control == pooled


def test_size_for_rate__baseline_over_half__takes_the_harder_direction() -> None:
    """At .8 a fall to .75 has the larger variance: the mirror of .2 and .25."""
    assert size(size_for_rate(0.8, 0.05, Design())).control == 1_091


@pytest.mark.parametrize("control_share", [0.5, 0.2])
def test_size_for_mean__any_split__is_that_of_statsmodels(control_share: float) -> None:
    known = NormalIndPower().solve_power(
        effect_size=2 / 25,
        alpha=0.005,
        power=0.9,
        ratio=(1 - control_share) / control_share,
        alternative="larger",
    )
    design = Design(alpha=0.01, power=0.9, control_share=control_share)
    assert size(size_for_mean(25, 2, design)).control == np.ceil(known)


def test_size_for_mean__three_arms_and_two_primaries__shares_alpha_out() -> None:
    one = size(size_for_mean(10, 1, Design(alpha=0.05 / 4)))
    found = size(size_for_mean(10, 1, Design(alpha=0.05, arms=3, primaries=2)))
    assert found == Size(one.control, one.control, 3 * one.control)
    assert found.planned_size == 2 * one.control


def test_size_for_mean__planned_for_another_size__is_found_by_the_interval_at_that_size() -> None:
    """Half the interval of N* = 10,000 (arXiv 2103.06476) and z of .8 are the effect."""
    design = Design(method=Method.SEQUENTIAL, planned_size=10_000)
    found = size(size_for_mean(10, 2, design)).total
    error = 2 * 10 / np.sqrt(found)
    assert half_width(error, found) + norm.ppf(0.8) * error == pytest.approx(2, rel=1e-3)
    best = size(size_for_mean(10, 2, Design(method=Method.SEQUENTIAL)))
    assert found > 1.1 * best.total
    own = Design(method=Method.SEQUENTIAL, planned_size=best.planned_size)
    assert size(size_for_mean(10, 2, own)).total == pytest.approx(best.total, abs=2)


def test_effects__planned_for_another_size__are_those_that_need_so_many() -> None:
    design = Design(method=Method.SEQUENTIAL, planned_size=10_000, arms=3, control_share=0.5)
    total = size(size_for_rate(0.2, 0.05, design)).total
    assert number(effect_on_rate(0.2, total, design)) == pytest.approx(0.05, rel=1e-3)
    total = size(size_for_mean(10, 2, design)).total
    assert number(effect_on_mean(10, total, design)) == pytest.approx(2, rel=1e-3)


def test_size_for_mean__with_cuped__shrinks_with_the_variance() -> None:
    plain = size(size_for_mean(100, 1, Design())).control
    assert size(size_for_mean(100, 1, Design(variance_reduction=0.4))).control == pytest.approx(
        0.6 * plain, abs=1
    )


def test_inflation__group_sequential__is_published() -> None:
    """Jennison and Turnbull (2000), table 2.4 gives 1.028 for O'Brien-Fleming's own boundaries,
    five looks, power .8; Lan and DeMets' boundaries differ by under half a percent."""
    assert Design(method=Method.GROUP_SEQUENTIAL).inflation == pytest.approx(1.028, abs=0.005)


def test_power__sequential_plan_of_its_size__is_reached_at_the_last_look() -> None:
    """By draws: the last look alone crosses the sequence's edge with the power planned for."""
    design = Design(method=Method.SEQUENTIAL, power=0.8)
    arm = size(size_for_mean(1.0, 0.1, design)).control
    error = (2 / arm) ** 0.5
    assert power_for(0.1, error, design) == pytest.approx(0.8, abs=1e-3)
    estimates = np.random.default_rng(3).normal(0.1, error, 100_000)
    reached = float(np.mean(estimates > design.threshold * error))
    assert reached == pytest.approx(0.8, abs=0.005)


def test_power__fixed_and_group_sequential__are_those_of_their_tests() -> None:
    assert power_for(2.5, 1.0, Design()) == pytest.approx(float(norm.cdf(2.5 - 1.959963985)))
    plan = Design(method=Method.GROUP_SEQUENTIAL, looks=4)
    assert power_for(plan.drift, 1.0, plan) == pytest.approx(0.8, abs=1e-8)


def test_power__of_two_planned_looks__is_that_of_the_side_of_the_effect() -> None:
    """By a bivariate normal: crossing below first, or at all, is no power."""
    plan = Design(method=Method.GROUP_SEQUENTIAL, looks=2, alpha=0.4)
    first, last = boundaries(equal_fractions(2), 0.4)
    for drift in (0.0, 0.3, 1.5):
        means = [drift * 0.5**0.5, drift]
        both = multivariate_normal(means, [[1, 0.5**0.5], [0.5**0.5, 1]])
        box = both.cdf([first, last], lower_limit=[-first, -np.inf])
        above = norm.sf(first - means[0])
        due = above + norm.cdf(first - means[0]) - norm.cdf(-first - means[0]) - box
        assert power_for(drift, 1.0, plan) == pytest.approx(float(due), abs=1e-5)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("rate", [0.02, 0.5, 0.93])
def test_effect_on_rate__subjects_of_a_size__finds_that_effect(rate: float, method: Method) -> None:
    design = Design(method=method, control_share=0.3)
    found = number(effect_on_rate(rate, 40_000, design))
    assert size(size_for_rate(rate, found, design)).total == pytest.approx(40_000, abs=2)


@pytest.mark.parametrize("planned_size", [500, 10_000, 1_000_000])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.5, 0.93, 1.0])
def test_size_for_rate__own_planned_size__of_any_effect_is_found(
    rate: float, planned_size: int
) -> None:
    """Near N* too: there 0.1 and 0.0214 to 0.0244 were errors with 10,000."""
    design = Design(method=Method.SEQUENTIAL, planned_size=planned_size)
    for step in range(45):
        effect = 0.0005 * 1.15**step
        found = size_for_rate(rate, effect, design)
        if found is NoPlan.OUT_OF_RANGE:
            assert max(rate, 1 - rate) < effect
        elif size(found).total > 100:
            smallest = number(effect_on_rate(rate, size(found).total, design))
            assert smallest == pytest.approx(effect, rel=2 / size(found).total ** 0.5)
            assert smallest <= effect * (1 + 1e-9)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.3, 1.0])
@pytest.mark.parametrize("total", [10**6, 10**9, 10**12])
def test_effect_on_rate__any_rate_and_size__is_found(
    total: int, rate: float, method: Method
) -> None:
    design = Design(method=method)
    found = number(effect_on_rate(rate, total, design))
    assert found > 0
    # In rates near 1 the last bits of 1 - effect are lost.
    assert size(size_for_rate(rate, found, design)).total == pytest.approx(total, rel=1e-4)


def test_effect_on_rate__more_subjects_than_floats_can_count__are_as_the_most() -> None:
    assert effect_on_rate(0.3, 10**400, Design()) == effect_on_rate(0.3, 10**15, Design())


def test_effect_on_mean__subjects_of_a_size__finds_that_effect() -> None:
    found = number(effect_on_mean(30, 5_000, Design()))
    assert size(size_for_mean(30, found, Design())).total == pytest.approx(5_000, abs=2)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (size_for_rate(0.2, 0.0, Design()), NoPlan.NO_EFFECT),
        (size_for_rate(0.5, 0.6, Design()), NoPlan.OUT_OF_RANGE),
        (size_for_mean(1.0, -1.0, Design()), NoPlan.NO_EFFECT),
        (size_for_mean(0.0, 1.0, Design()), NoPlan.NO_VARIANCE),
        (effect_on_rate(0.5, 4, Design()), NoPlan.TOO_FEW_SUBJECTS),
        (effect_on_rate(0.5, 0, Design()), NoPlan.TOO_FEW_SUBJECTS),
        (effect_on_mean(0.0, 100, Design()), NoPlan.NO_VARIANCE),
        (effect_on_mean(1.0, 0, Design()), NoPlan.TOO_FEW_SUBJECTS),
        (weeks_until(10, [], 7), NoPlan.NO_ARRIVALS),
        (weeks_until(10, [5] + [0] * 7, 7), NoPlan.NO_ARRIVALS),
    ],
)
def test_plan__that_cannot_be__says_why(found: object, reason: NoPlan) -> None:
    assert found is reason


@pytest.mark.parametrize(
    ("total", "window_days", "weeks"),
    [
        (1_900, 0, 1),  # within the first seven days: 900 + 6 * 200 = 2,100
        (1_900, 7, 2),
        (2_101, 0, 2),  # 100 a day from then on
        (3_500, 0, 3),  # 2,100 after 7 days, 1,400 more in 14
        (3_501, 0, 4),
        (1, 0, 1),
    ],
)
def test_weeks__arrivals_that_slow_down__go_on_as_in_the_last_week(
    total: int, window_days: int, weeks: int
) -> None:
    arrivals = [900] + [200] * 6 + [100] * 7
    assert weeks_until(total, arrivals, window_days) == weeks


def test_subjects_after__weeks_of_a_size__are_enough_and_a_week_less_are_not() -> None:
    arrivals = [900] + [200] * 6 + [100] * 7
    weeks = weeks_until(5_000, arrivals, 3)
    assert isinstance(weeks, int)
    assert subjects_after(weeks, arrivals, 3) >= 5_000 > subjects_after(weeks - 1, arrivals, 3)
    assert subjects_after(1, arrivals, 9) == subjects_after(1, [], 0) == 0
