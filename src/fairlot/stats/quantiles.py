"""Quantiles of subjects' totals, from counts on the grid."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from typing import Final

from fairlot.stats.cuped import NoCuped
from fairlot.stats.effects import Effect, NoEffect, stratified, welch_degrees
from fairlot.stats.grids import center, lower_edge
from fairlot.stats.spreads import Spread
from fairlot.stats.sufficient import Grid

# Woodruff's interval is this many binomial standard errors to either side.
_REACH: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Arm:
    n: int
    value: float
    square: float
    not_zero: int


@dataclass(frozen=True, slots=True)
class _Place:
    edge: float
    value: float


def quantile_of(grid: Grid, quantile: float) -> float | None:
    """The smallest value that a share `quantile` of the subjects does not exceed.

    It is off by less than 1.1 % of itself: as `quantile_effect_over_phases` places it within its
    cell. None of nobody.
    """
    arm = _arm(grid, quantile)
    return None if arm is None else arm.value


def spread_of_quantile(grid: Grid, quantile: float) -> Spread | None:
    """Its variance is what the square of the standard error, which `quantile_effect_over_phases`
    explains, comes to for a subject. None of fewer than two."""
    arm = _arm(grid, quantile)
    if arm is None or arm.n < 2:
        return None
    return Spread(arm.n, arm.square * arm.n, _skewness_above(quantile) if arm.square else None)


def quantile_effect_over_phases(
    phases: Iterable[tuple[Grid, Grid]], quantile: float
) -> Effect | NoEffect:
    """The difference of the arms' quantiles, of each phase's (control, treatment), weighted by
    the phases' numbers of subjects.

    Woodruff (1952, JASA 47, 635): a quantile's standard error is half the distance of the order
    statistics two binomial standard errors of rank to either side, over two. No density is
    estimated. Within a cell subjects are taken as evenly spread. Where all of these order
    statistics are in one cell, perhaps all with one value, the grid cannot tell: then it is the
    cell's centre, give or take half the cell. Needs two subjects an arm, and some that are not 0
    near the quantile. The skewness is that of being above the quantile, which is what its error is
    made of.
    """
    known: list[tuple[Effect, float]] = []
    unknown = NoEffect.NO_SUBJECTS
    for control, treatment in phases:
        effect = _effect(_arm(control, quantile), _arm(treatment, quantile), quantile)
        if isinstance(effect, NoEffect):
            unknown = effect
        else:
            known.append((effect, effect.n))
    if not known:
        return unknown
    whole = stratified(known)
    return whole if whole.standard_error > 0 else NoEffect.NO_VARIANCE


def _effect(control: _Arm | None, treatment: _Arm | None, quantile: float) -> Effect | NoEffect:
    if control is None or treatment is None:
        return NoEffect.NO_SUBJECTS
    if min(control.n, treatment.n) < 2:
        return NoEffect.ONE_SUBJECT
    skewness = _skewness_above(quantile)
    return Effect(
        difference=treatment.value - control.value,
        standard_error=sqrt(control.square + treatment.square),
        degrees_of_freedom=welch_degrees(
            (control.n - 1, treatment.n - 1), (control.square, treatment.square)
        ),
        n_control=control.n,
        n_treatment=treatment.n,
        value_control=control.value,
        value_treatment=treatment.value,
        se_control=sqrt(control.square),
        se_treatment=sqrt(treatment.square),
        skewness_control=skewness if control.square else None,
        skewness_treatment=skewness if treatment.square else None,
        converted_control=control.not_zero,
        converted_treatment=treatment.not_zero,
        no_cuped=NoCuped.NO_COVARIATES,
    )


def _skewness_above(quantile: float) -> float:
    """Of being above it."""
    return (1 - 2 * quantile) / sqrt(quantile * (1 - quantile))


def _arm(grid: Grid, quantile: float) -> _Arm | None:
    n = sum(grid.counts.values())
    if n == 0:
        return None
    reach = _REACH * sqrt(n * quantile * (1 - quantile))
    low, at, high = (_place_at(grid, quantile * n + step) for step in (-reach, 0.0, reach))
    width = at.edge - lower_edge(at.edge)
    if low.edge == high.edge:
        value, error = center(at.edge), width / 2
    else:
        # The deviation of what is evenly spread over a cell is what the grid leaves open.
        value = at.value
        error = max((high.value - low.value) / (2 * _REACH), width / sqrt(12))
    return _Arm(n, value, error**2, n - grid.counts.get(0.0, 0))


def _place_at(grid: Grid, rank: float) -> _Place:
    """The cell of a rank from 0 to n, and the value in it by the cell's edges."""
    edges = sorted(edge for edge, count in grid.counts.items() if count)
    below = 0
    for edge, through in zip(edges, accumulate(grid.counts[edge] for edge in edges), strict=True):
        if rank <= through:
            low = lower_edge(edge)
            share = max(rank - below, 0.0) / (through - below)
            return _Place(edge, low + (edge - low) * share)
        below = through
    return _Place(edges[-1], edges[-1])
