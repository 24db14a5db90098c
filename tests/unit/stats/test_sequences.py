"""Confidence sequences: published cases, the width against a numerical solution, the gate."""

from math import log, sqrt

import numpy as np
import pytest
from scipy.optimize import brentq

from fairlot.stats.effects import Effect
from fairlot.stats.results import Interval
from fairlot.stats.sequences import (
    confidence_sequence,
    fewest_in_a_cell,
    gate_of,
    half_width,
    running_intersections,
    sequence_p,
)


def arms(
    difference: float = 0.0,
    standard_error: float = 1.0,
    n: tuple[int, int] = (1_000, 1_000),
    skewness: tuple[float | None, float | None] = (0.0, 0.0),
    converted: tuple[int, int] = (500, 500),
) -> Effect:
    """Control first."""
    return Effect(
        difference=difference,
        standard_error=standard_error,
        degrees_of_freedom=1e6,
        n_control=n[0],
        n_treatment=n[1],
        value_control=0.0,
        value_treatment=difference,
        se_control=standard_error * 0.7,
        se_treatment=standard_error * 0.7,
        skewness_control=skewness[0],
        skewness_treatment=skewness[1],
        converted_control=converted[0],
        converted_treatment=converted[1],
    )


def cookie_cats() -> Effect:
    """7-day retention of gate_40 against gate_30."""
    control, treatment = 8_502 / 44_700, 8_279 / 45_489
    variance = control * (1 - control) / 44_700 + treatment * (1 - treatment) / 45_489
    return arms(treatment - control, sqrt(variance), (44_700, 45_489))


@pytest.mark.parametrize(
    ("planned_size", "low", "high", "p"),
    [(90_189, -0.0160686, -0.0003340, 0.035069), (5_000, -0.0168132, 0.0004106, 0.083284)],
)
def test_confidence_sequence__cookie_cats__published_interval(
    planned_size: int, low: float, high: float, p: float
) -> None:
    found = confidence_sequence(cookie_cats(), planned_size, 0.05)
    assert found.interval.low == pytest.approx(low, abs=5e-8)
    assert found.interval.high == pytest.approx(high, abs=5e-8)
    assert found.p == pytest.approx(p, abs=5e-7)


def test_sequence_p__a_difference_at_the_edge_of_the_interval__is_alpha() -> None:
    error, n = np.array([0.3, 0.1, 0.02]), np.array([150.0, 4_000.0, 1e7])
    edge = half_width(error, n, 20_000, 0.01)
    assert sequence_p(edge, error, n, 20_000, 0.01) == pytest.approx(0.01, rel=1e-12)
    assert sequence_p(-edge, error, n, 20_000, 0.01) == pytest.approx(0.01, rel=1e-12)


def test_half_width__planned_size__is_narrowest_near_it() -> None:
    """Of sequences with any rho: the closed form is within 0.1 % of the best there is."""

    def width(log_weight: float) -> float:
        weight = np.exp(log_weight)
        return float(sqrt(2 * (weight + 1) / weight * (0.5 * np.log1p(weight) - log(0.05))))

    def slope(log_weight: float) -> float:
        return width(log_weight + 1e-4) - width(log_weight - 1e-4)

    best = width(float(brentq(slope, 0, 5)))
    found = half_width(np.float64(1.0), np.float64(7_000), 7_000, 0.05)
    assert best <= found <= best * 1.001


def test_confidence_sequence__no_difference__has_p_1() -> None:
    assert confidence_sequence(arms(), 10_000, 0.05).p == 1.0


@pytest.mark.parametrize(
    ("effect", "is_conversion", "reason"),
    [
        (arms(n=(100, 100)), False, None),
        (
            arms(n=(99, 100)),
            False,
            "the control has 99 of the 100 subjects that this metric needs",
        ),
        (
            arms(n=(1_420, 1_419), skewness=(2, -2)),
            False,
            "the treatment has 1,419 of the 1,420 subjects that this metric needs",  # 355 * 4
        ),
        (arms(converted=(500, 9)), False, None),
        (
            arms(converted=(500, 9)),
            True,
            "the treatment has 9 of the 10 conversions that this metric needs",
        ),
        (arms(converted=(10, 500)), True, None),
        (
            arms(converted=(991, 500)),
            True,
            "the control has 9 of the 10 subjects without a conversion that this metric needs",
        ),
        (arms(skewness=(30.0, 30.0)), True, None),
        (arms(skewness=(None, 0.0)), False, "all subjects of the control have the same value"),
        (
            arms(n=(1, 1_000), skewness=(None, 0.0)),
            False,
            "the control has 1 of the 100 subjects that this metric needs",
        ),
    ],
)
def test_gate__arms__says_what_is_lacking(
    effect: Effect, is_conversion: bool, reason: str | None
) -> None:
    assert gate_of(effect, is_conversion, 0.05) == reason


@pytest.mark.parametrize(
    ("alpha", "fewest"),
    [(0.05, 10), (0.05 / 3, 10), (0.05 / 6, 14), (0.005, 19), (0.0025, 27), (0.001, 42)],
)
def test_gate__less_alpha__needs_more_conversions(alpha: float, fewest: int) -> None:
    """An eighth of the cube of ln(1 / alpha); decision 0035 says why."""
    assert fewest_in_a_cell(alpha) == fewest
    assert gate_of(arms(converted=(500, fewest)), True, alpha) is None
    assert gate_of(arms(converted=(500, fewest - 1)), True, alpha) is not None
    assert gate_of(arms(converted=(1_001 - fewest, 500)), True, alpha) is not None
    assert gate_of(arms(n=(100, 100)), False, alpha) is None


def test_running_intersections__looks_that_part__are_empty_from_there_on() -> None:
    looks = [
        Interval(low=-3, high=4),
        Interval(low=-1, high=5),
        Interval(low=4.5, high=9),
        Interval(low=-9, high=9),
    ]
    assert running_intersections(looks) == (looks[0], Interval(low=-1, high=4), None, None)
