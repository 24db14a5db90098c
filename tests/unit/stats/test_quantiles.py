from math import sqrt

import numpy as np
import pytest

from fairlot.stats.effects import Effect, NoEffect
from fairlot.stats.grids import lower_edge, merged_grids, upper_edge
from fairlot.stats.quantiles import quantile_effect_over_phases, quantile_of
from fairlot.stats.sufficient import Grid


def _grid(values: np.ndarray | list[float]) -> Grid:
    rows = np.asarray(values, dtype=float)
    signs = np.sign(rows).astype(int)
    steps = np.zeros(len(rows), int)
    steps[signs != 0] = np.round(64 * np.log2(np.abs(rows[signs != 0])))
    cells, counts = np.unique(np.column_stack([signs, steps]), axis=0, return_counts=True)
    edges = [upper_edge(int(sign), int(step)) for sign, step in cells]
    return Grid(dict(sorted(zip(edges, map(int, counts), strict=True))))


@pytest.mark.parametrize("value", [1.0, 2.0, 1e12, 0.37, -5.0, -0.001])
def test_grid__any_value__within_its_cell(value: float) -> None:
    (upper,) = _grid([value]).counts
    assert lower_edge(upper) <= value <= upper
    assert abs(upper - lower_edge(upper)) < 0.011 * abs(upper)


def test_grid__parts__merged_in_order() -> None:
    both = merged_grids([_grid([3.0, 0.0]), _grid([-1.0, 3.0])])
    assert list(both.counts.values()) == [1, 1, 2]
    assert list(both.counts) == sorted(both.counts)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_quantile__simulated_totals__near_that_of_the_rows(quantile: float) -> None:
    values = np.random.default_rng(1).lognormal(3, 1, 20_000)
    values[:4000] = 0
    found = quantile_of(_grid(values), quantile)
    assert found == pytest.approx(np.quantile(values, quantile), rel=0.011)


def test_quantile__zeros_and_nobody__zero_and_none() -> None:
    assert quantile_of(_grid([0.0, 0.0, 0.0, 7.0]), 0.5) == 0.0
    assert quantile_of(Grid({}), 0.5) is None


def test_quantile_effect__exponential_totals__the_error_of_theory() -> None:
    # Of the median of n exponential values: sqrt(1/4) / f(ln 2) / sqrt(n) = 1 / sqrt(n).
    chance = np.random.default_rng(5)
    arms = [_grid(chance.exponential(1, 40_000)) for _ in range(2)]
    effect = quantile_effect_over_phases([(arms[0], arms[1])], 0.5)
    assert isinstance(effect, Effect)
    assert effect.standard_error == pytest.approx(sqrt(2 / 40_000), rel=0.1)
    assert effect.skewness_control == 0
    assert abs(effect.difference) < 4 * effect.standard_error


def test_quantile_effect__many_experiments_without_effect__errs_as_often_as_it_says() -> None:
    chance = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        arms = [_grid(chance.lognormal(0, 1, 400)) for _ in range(2)]
        effect = quantile_effect_over_phases([(arms[0], arms[1])], 0.75)
        assert isinstance(effect, Effect)
        wrong += abs(effect.difference) > 1.96 * effect.standard_error
    # 5 % of 300, and three binomial standard errors.
    assert wrong <= 15 + 3 * sqrt(300 * 0.05 * 0.95)


@pytest.mark.parametrize("value", [1.0, 9.99, -3.0])
@pytest.mark.parametrize("quantile", [0.75, 0.9])
def test_quantile_effect__equal_quantiles_of_ties__is_none(quantile: float, value: float) -> None:
    """Of 5,000 each half and three fifths have the value, or less of it: the quantile is it."""
    low = value - 100
    arms = [_grid([low] * (5_000 - n) + [value] * n) for n in (2_500, 3_000)]
    effect = quantile_effect_over_phases([(arms[0], arms[1])], quantile)
    assert isinstance(effect, Effect)
    assert effect.difference == 0
    assert effect.value_control == pytest.approx(value, rel=0.0055)
    # Half a cell in each arm: 2^(1/64) is 1.0109.
    assert effect.standard_error == pytest.approx(abs(value) * 0.0109 / sqrt(2), rel=0.02)


def test_quantile_effect__ties_on_both_sides_of_an_edge__are_not_significant() -> None:
    edge = upper_edge(1, 212)
    arms = [_grid([0.0] * 100 + [value] * 9_900) for value in (edge * 0.9999, edge * 1.0001)]
    effect = quantile_effect_over_phases([(arms[0], arms[1])], 0.5)
    assert isinstance(effect, Effect)
    assert 0 < effect.difference < 1.5 * effect.standard_error


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [1.0, 2.0], NoEffect.NO_SUBJECTS),
        ([1.0], [1.0, 2.0], NoEffect.ONE_SUBJECT),
        ([0.0] * 30, [0.0] * 30, NoEffect.NO_VARIANCE),
    ],
)
def test_quantile_effect__nothing_to_compare__a_reason(
    control: list[float], treatment: list[float], reason: NoEffect
) -> None:
    assert quantile_effect_over_phases([(_grid(control), _grid(treatment))], 0.9) is reason


def test_quantile_effect__two_phases__weighted_by_their_size() -> None:
    chance = np.random.default_rng(9)
    phases = [
        (_grid(chance.gamma(shape, 1, n)), _grid(chance.gamma(shape, 1, n)))
        for shape, n in ((1, 100), (5, 300))
    ]
    both = quantile_effect_over_phases(phases, 0.5)
    apart = [quantile_effect_over_phases([phase], 0.5) for phase in phases]
    assert isinstance(both, Effect)
    assert both.difference == pytest.approx(
        sum(
            share * part.difference
            for share, part in zip((0.25, 0.75), apart, strict=True)
            if isinstance(part, Effect)
        )
    )
