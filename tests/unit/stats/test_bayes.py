"""The Bayesian view: published cases, closed forms, and posteriors without data."""

import numpy as np
import pytest
from scipy.stats import beta, norm

from fairlot.stats.bayes import (
    Normal,
    Rate,
    beta_binomial,
    expected_losses,
    normal,
    probabilities_best,
)
from fairlot.stats.metrics import Direction

UP, DOWN = Direction.INCREASE, Direction.DECREASE


def test_beta_binomial__130_against_100_of_1000__published_figures() -> None:
    found = beta_binomial(Rate(100, 1_000), Rate(130, 1_000), UP, 0.05)
    assert found.probability_better == pytest.approx(0.982165066, abs=5e-10)
    assert found.expected_loss == pytest.approx(0.0000923745, abs=5e-11)
    other = beta_binomial(Rate(130, 1_000), Rate(100, 1_000), UP, 0.05)
    assert other.expected_loss == pytest.approx(0.0300324930, abs=5e-9)


def test_beta_binomial__cookie_cats__published_probability() -> None:
    found = beta_binomial(Rate(8_502, 44_700), Rate(8_279, 45_489), UP, 0.05)
    assert found.probability_better == pytest.approx(0.000777339, abs=5e-10)


def test_probabilities_best__three_arms__published_figures() -> None:
    arms = [Rate(20, 100), Rate(25, 100), Rate(30, 100)]
    assert probabilities_best(arms, UP) == pytest.approx((0.031282, 0.206258, 0.762460), abs=5e-7)
    assert sum(probabilities_best(arms, DOWN)) == pytest.approx(1, abs=1e-12)


def test_beta_binomial__less_is_better__mirrors_the_probability() -> None:
    control, treatment = Rate(100, 1_000), Rate(130, 1_000)
    up, down = (beta_binomial(control, treatment, way, 0.05) for way in (UP, DOWN))
    assert up.probability_better + down.probability_better == pytest.approx(1, abs=1e-12)
    assert down.expected_loss == pytest.approx(0.0300324930, abs=5e-9)
    assert down.interval == up.interval


def test_beta_binomial__interval__holds_what_draws_of_numpy_hold() -> None:
    found = beta_binomial(Rate(12, 80), Rate(25, 90), UP, 0.1)
    draw = np.random.default_rng(1).beta
    differences = draw(26, 66, 400_000) - draw(13, 69, 400_000)
    known = np.quantile(differences, (0.05, 0.95))
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(known), abs=1e-3)


def test_expected_losses__two_arms__are_the_closed_form() -> None:
    """E max(A - B, 0) = E[A] P(A* > B) - E[B] P(A > B*), where * has one success more."""
    first, second = Rate(20, 100), Rate(25, 110)

    def above(a: Rate, b: Rate) -> float:
        return probabilities_best([a, b], UP)[0]

    closed = 21 / 102 * above(Rate(21, 101), second) - 26 / 112 * above(first, Rate(26, 111))
    assert expected_losses([first, second], UP)[1] == pytest.approx(closed, abs=1e-12)


def test_beta_binomial__no_subjects__is_the_prior() -> None:
    found = beta_binomial(Rate(0, 0), Rate(0, 0), UP, 0.05)
    assert found.probability_better == pytest.approx(0.5)
    assert found.expected_loss == pytest.approx(1 / 6)  # of two uniform numbers
    assert found.interval.high == pytest.approx(1 - 0.05**0.5, abs=2e-6)  # of the triangle


def test_beta_binomial__ten_million_subjects__keeps_its_precision() -> None:
    control, treatment = Rate(1_000_000, 10_000_000), Rate(1_000_300, 10_000_000)
    found = beta_binomial(control, treatment, UP, 0.05)
    means = [beta(rate.a, rate.b).mean() for rate in (control, treatment)]
    error = np.hypot(beta(control.a, control.b).std(), beta(treatment.a, treatment.b).std())
    z = (means[1] - means[0]) / error
    assert found.probability_better == pytest.approx(float(norm.cdf(z)), abs=1e-6)
    apart = beta_binomial(Rate(0, 10_000_000), Rate(5_000_000, 10_000_000), UP, 0.05)
    assert apart.probability_better == pytest.approx(1.0, abs=1e-12)
    assert apart.expected_loss == 0.0


def test_probabilities_best__one_arm__is_certain() -> None:
    assert probabilities_best([Rate(10, 100)], UP) == pytest.approx((1.0,))
    assert expected_losses([Rate(10, 100)], UP) == (0.0,)


@pytest.mark.parametrize("z", [-3.0, 0.0, 1.5, 12.0])
def test_normal__any_z__loss_is_the_integral_of_the_tail(z: float) -> None:
    found = normal(2 * z, 2.0, UP, 0.05)
    grid = np.linspace(0, 40, 400_001)
    tail = norm.sf(z + grid)  # E max(-x, 0) = integral of P(-x > t)
    assert found.expected_loss == pytest.approx(2 * float(np.trapezoid(tail, grid)), rel=1e-7)
    assert found.probability_better == pytest.approx(float(norm.cdf(z)), rel=1e-12)
    assert found.interval.high == pytest.approx(2 * z + 2 * 1.959963985, abs=1e-8)


def test_normal__less_is_better__mirrors_the_probability() -> None:
    up, down = normal(1.0, 1.0, UP, 0.05), normal(1.0, 1.0, DOWN, 0.05)
    assert up.probability_better == pytest.approx(1 - down.probability_better)
    assert down.interval == up.interval


def test_probabilities_best__two_normals__are_those_of_their_difference() -> None:
    known = normal(0.3, 0.5, UP, 0.05)
    arms = [Normal(1.0, 0.3), Normal(1.3, 0.4)]
    assert probabilities_best(arms, UP)[1] == pytest.approx(known.probability_better, abs=1e-12)
    assert expected_losses(arms, UP)[1] == pytest.approx(known.expected_loss, abs=1e-12)
    assert probabilities_best(arms, DOWN)[1] == pytest.approx(1 - known.probability_better)


def test_probabilities_best__three_normals__are_what_draws_of_numpy_are() -> None:
    """Errors of very different sizes, too."""
    arms = [Normal(0.0, 1.0), Normal(0.5, 0.01), Normal(0.2, 3.0)]
    generator = np.random.default_rng(1)
    draws = np.array([generator.normal(arm.center, arm.error, 400_000) for arm in arms])
    best = [float(np.mean(draws.argmax(axis=0) == number)) for number in range(3)]
    losses = [float(np.mean(draws.max(axis=0) - own)) for own in draws]
    assert probabilities_best(arms, UP) == pytest.approx(best, abs=4e-3)
    assert expected_losses(arms, UP) == pytest.approx(losses, abs=1e-2)
