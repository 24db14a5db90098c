"""Group sequential plans: published boundaries, and looks of any number and place."""

from math import inf, sqrt

import pytest
from scipy.stats import multivariate_normal, norm

from fairlot.stats.effects import Effect
from fairlot.stats.group_sequential import (
    FARTHEST,
    SMALLEST_STEP,
    boundaries,
    crossing,
    equal_fractions,
    fraction_of,
    group_sequential,
    is_due,
    looks_apart,
    obrien_fleming,
    pocock,
    quadrature,
    repeated_interval,
    spent,
)


def effect(difference: float, standard_error: float = 1.0) -> Effect:
    return Effect(
        difference=difference,
        standard_error=standard_error,
        degrees_of_freedom=1e6,
        n_control=5_000,
        n_treatment=5_000,
        value_control=0.0,
        value_treatment=difference,
        se_control=0.7,
        se_treatment=0.7,
        converted_control=500,
        converted_treatment=500,
    )


# Jennison and Turnbull, Group Sequential Methods (2000), tables 2.1, 2.3 and 7.3.


def test_pocock__five_looks__published_constant() -> None:
    assert pocock(5, 0.05) == pytest.approx(2.4132, abs=5e-5)


def test_obrien_fleming__five_looks__published_boundaries() -> None:
    assert obrien_fleming(5, 0.05) == pytest.approx(
        (4.5617, 3.2256, 2.6337, 2.2809, 2.0401), abs=5e-5
    )


def test_boundaries__five_looks__published_for_lan_demets() -> None:
    assert boundaries(equal_fractions(5), 0.05) == pytest.approx(
        (4.8769, 3.3570, 2.6803, 2.2898, 2.0310), abs=5e-5
    )


def test_crossing__naive_looks__published_errors() -> None:
    """Armitage, McPherson and Rowe (1969), table 2."""
    errors = (0.0500, 0.0831, 0.1073, 0.1262, 0.1417)
    for looks, error in enumerate(errors, 1):
        found = crossing(equal_fractions(looks), [1.959963985] * looks)[-1]
        assert found == pytest.approx(error, abs=5e-5)
    assert crossing(equal_fractions(10), [1.959963985] * 10)[-1] == pytest.approx(0.1934, abs=5e-5)


def test_crossing__two_looks_with_drift__is_that_of_a_bivariate_normal() -> None:
    fractions, bounds, drift = (0.4, 1.0), (2.5, 2.0), 1.7
    known = multivariate_normal([drift * 0.4**0.5, drift], [[1, 0.4**0.5], [0.4**0.5, 1]])
    inside = known.cdf([2.5, 2.0], lower_limit=[-2.5, -2.0])
    assert crossing(fractions, bounds, drift)[-1] == pytest.approx(1 - float(inside), abs=1e-5)


def test_boundaries__uneven_looks__spend_what_is_due_at_each() -> None:
    fractions = (0.05, 0.31, 0.32, 0.8, 1.0)
    bounds = boundaries(fractions, 0.05)
    due = [spent(each, 0.05) for each in fractions]
    assert crossing(fractions, bounds) == pytest.approx(due, abs=1e-9)
    assert due[-1] == pytest.approx(0.05, rel=1e-12)


def test_boundaries__one_look__is_the_fixed_test() -> None:
    assert boundaries((1.0,), 0.01)[0] == pytest.approx(float(norm.isf(0.005)), abs=1e-9)


def test_boundaries__too_early_to_spend__are_infinite() -> None:
    assert spent(0.0, 0.05) == 0.0
    assert boundaries((0.002, 1.0), 0.05) == pytest.approx((inf, 1.959963985), abs=1e-8)


def test_boundaries__looks_out_of_order__are_refused() -> None:
    with pytest.raises(ValueError, match=r"fractions have to ascend: 0\.5 is followed by 0\.5"):
        boundaries((0.5, 0.5), 0.05)


def test_group_sequential__third_look__repeated_interval() -> None:
    found = group_sequential(effect(2.0), (0.2, 0.4, 0.6), 0.05)
    assert found.interval.low == pytest.approx(2 - 2.6803, abs=5e-5)
    assert found.interval.high == pytest.approx(2 + 2.6803, abs=5e-5)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 1e-6])
def test_group_sequential__at_the_boundary__p_is_alpha(alpha: float) -> None:
    looks = (0.25, 0.5, 0.75)
    edge = boundaries(looks, alpha)[-1]
    assert group_sequential(effect(-edge), looks, 0.05).p == pytest.approx(alpha, rel=1e-6)


def test_group_sequential__nothing_and_everything__p_stays_in_range() -> None:
    assert group_sequential(effect(0.0), (0.5, 1.0), 0.05).p == 1.0
    assert group_sequential(effect(99.0), (0.5, 1.0), 0.05).p == 1e-12


def test_is_due__five_looks_of_a_thousand__at_each_fifth_once() -> None:
    due, last = [], 0.0
    for n in range(50, 1_300, 50):
        if is_due(n, 1_000, 5, last):
            due.append(n)
            last = fraction_of(n, 1_000)
    assert due == [200, 400, 600, 800, 1_000]
    assert not is_due(399, 1_000, 5, 0.2)


@pytest.mark.parametrize("step", [0.3, 0.02, SMALLEST_STEP])
def test_crossing__second_look_however_near__is_that_of_a_bivariate_normal(step: float) -> None:
    together = sqrt(0.6 / (0.6 + step))
    inside = multivariate_normal([0, 0], [[1, together], [together, 1]]).cdf(
        [2.7, 2.6], lower_limit=[-2.7, -2.6]
    )
    crossed = crossing((0.6, 0.6 + step), (2.7, 2.6))[-1]
    assert crossed == pytest.approx(1 - float(inside), abs=2e-6)


def test_quadrature__smallest_step_over_everything__nodes_are_bounded() -> None:
    nodes, weights = quadrature(-FARTHEST, FARTHEST, sqrt(SMALLEST_STEP))
    assert len(nodes) == len(weights) <= 2_304
    assert float(weights.sum()) == pytest.approx(2 * FARTHEST, rel=1e-12)


def test_repeated_interval__a_few_subjects_after_a_look__is_that_of_the_look() -> None:
    """Nodes for a step of 1e-10 would take the memory of the machine."""
    looks = (0.2, 0.4, 0.6)
    at_look = repeated_interval(effect(2.0), looks, 0.05)
    assert repeated_interval(effect(2.0), (*looks, 0.6 + 1e-10), 0.05) == at_look
    assert group_sequential(effect(2.0), (*looks, 0.6 + 1e-10), 0.05) == group_sequential(
        effect(2.0), looks, 0.05
    )


def test_looks_apart__many_small_steps__one_of_each_thousandth_stays() -> None:
    assert looks_apart((0.5, 0.5004, 0.5008, 0.5012, 1.0)) == (0.5, 0.5012, 1.0)


def test_is_due__a_hair_after_the_last_look__is_not() -> None:
    assert not is_due(60_001, 100_000, 5, 0.5999)
    assert is_due(60_100, 100_000, 5, 0.5999)
    assert not is_due(100_000, 100_000, 5, 0.9991)
