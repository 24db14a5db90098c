"""Conversion rates of two arms, from totals."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from fairlot.stats.effects import Difference, Effect, NoEffect, welch_degrees
from fairlot.stats.results import Estimate, Interval
from fairlot.stats.spreads import Spread
from fairlot.stats.sufficient import MetricDay

FEWEST_IN_A_CELL: Final = 10
_FARTHEST_Z: Final = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversions:
    """How many of how many converted in each arm."""

    converted_control: int
    n_control: int
    converted_treatment: int
    n_treatment: int

    @property
    def rates(self) -> tuple[float, float]:
        return (
            self.converted_control / self.n_control,
            self.converted_treatment / self.n_treatment,
        )

    @property
    def has_a_small_cell(self) -> bool:
        """Whether fewer than 10 converted, or fewer than 10 did not, in an arm."""
        return (
            min(
                self.converted_control,
                self.converted_treatment,
                self.n_control - self.converted_control,
                self.n_treatment - self.converted_treatment,
            )
            < FEWEST_IN_A_CELL
        )


def conversions_of(control: MetricDay, treatment: MetricDay) -> Conversions:
    return Conversions(
        converted_control=control.converted,
        n_control=control.moments.n,
        converted_treatment=treatment.converted,
        n_treatment=treatment.moments.n,
    )


def effect_of_conversions(totals: Conversions) -> Effect | NoEffect:
    """The difference of two rates with its unpooled standard error, sqrt(sum p (1 - p) / n).

    Each arm needs a subject; where in both all or none converted there is no standard error.
    """
    if min(totals.n_control, totals.n_treatment) == 0:
        return NoEffect.NO_SUBJECTS
    control, treatment = totals.rates
    squares = (
        control * (1 - control) / totals.n_control,
        treatment * (1 - treatment) / totals.n_treatment,
    )
    if sum(squares) == 0:
        return NoEffect.NO_VARIANCE
    return Effect(
        difference=treatment - control,
        standard_error=sqrt(sum(squares)),
        degrees_of_freedom=welch_degrees(
            (max(totals.n_control - 1, 1), max(totals.n_treatment - 1, 1)), squares
        ),
        n_control=totals.n_control,
        n_treatment=totals.n_treatment,
        value_control=control,
        value_treatment=treatment,
        se_control=sqrt(squares[0]),
        se_treatment=sqrt(squares[1]),
        skewness_control=_skewness(control),
        skewness_treatment=_skewness(treatment),
        converted_control=totals.converted_control,
        converted_treatment=totals.converted_treatment,
    )


def spread_of_rate(converted: int, n: int) -> Spread | None:
    """With the variance p (1 - p). None of nobody."""
    if n == 0:
        return None
    rate = converted / n
    return Spread(n, rate * (1 - rate), _skewness(rate))


def _skewness(rate: float) -> float | None:
    variance = rate * (1 - rate)
    return (1 - 2 * rate) / sqrt(variance) if variance else None


def conversion(totals: Conversions, alpha: float) -> Estimate | None:
    """Newcombe's interval when a cell is under 10, else `unpooled`. None without subjects."""
    if min(totals.n_control, totals.n_treatment) == 0:
        return None
    effect = effect_of_conversions(totals)
    if totals.has_a_small_cell or isinstance(effect, NoEffect):
        return newcombe(totals, alpha)
    return unpooled(effect, alpha)


def unpooled(effect: Difference, alpha: float) -> Estimate:
    """Wald's z test and interval with the effect's own standard error, fixed horizon.

    The same standard error for both, so that they never disagree. Wants 10 subjects a cell.
    """
    return _by_z(effect.difference, effect.standard_error, alpha)


def pooled(totals: Conversions, alpha: float) -> Estimate | None:
    """The z test of textbooks and calculators: one rate for both arms, as if the null held.

    Its interval is that of calculators too; shown beside `unpooled`, never decided by. None
    without subjects in both arms, and where all or none of them converted.
    """
    if min(totals.n_control, totals.n_treatment) == 0:
        return None
    n = totals.n_control + totals.n_treatment
    rate = (totals.converted_control + totals.converted_treatment) / n
    error = sqrt(rate * (1 - rate) * (1 / totals.n_control + 1 / totals.n_treatment))
    control, treatment = totals.rates
    return _by_z(treatment - control, error, alpha) if error else None


def _by_z(difference: float, error: float, alpha: float) -> Estimate:
    reach = -float(ndtri(alpha / 2)) * error
    return Estimate(
        estimate=difference,
        standard_error=error,
        interval=Interval(low=difference - reach, high=difference + reach),
        p=2 * float(ndtr(-abs(difference) / error)),
    )


def newcombe(totals: Conversions, alpha: float) -> Estimate:
    """The interval of two Wilson intervals, also where nobody or everybody converted.

    Newcombe (1998, Statistics in Medicine 17, 873), method 10. `p` is the alpha whose interval
    ends at 0, so that both say the same. Needs a subject in each arm.
    """
    control, treatment = totals.rates
    z = -float(ndtri(alpha / 2))
    below, above = _reaches(totals)
    difference = treatment - control
    return Estimate(
        estimate=difference,
        standard_error=None,
        interval=Interval(low=difference - below(z), high=difference + above(z)),
        p=_p_of(difference, below if difference > 0 else above),
    )


def _p_of(difference: float, reach: Callable[[float], float]) -> float:
    if difference == 0:
        return 1.0
    if reach(_FARTHEST_Z) < abs(difference):
        return 0.0
    z = brentq(lambda z: reach(z) - abs(difference), 0.0, _FARTHEST_Z, xtol=1e-12)
    return 2 * float(ndtr(-z))


def _reaches(totals: Conversions) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """How far the interval reaches below and above the difference, by z."""
    control, treatment = totals.rates

    def below(z: float) -> float:
        return sqrt(
            (treatment - _wilson(treatment, totals.n_treatment, z, -1)) ** 2
            + (_wilson(control, totals.n_control, z, 1) - control) ** 2
        )

    def above(z: float) -> float:
        return sqrt(
            (_wilson(treatment, totals.n_treatment, z, 1) - treatment) ** 2
            + (control - _wilson(control, totals.n_control, z, -1)) ** 2
        )

    return below, above


def _wilson(rate: float, n: int, z: float, side: int) -> float:
    """Wilson (1927): the end of the score interval of one rate."""
    middle = rate + z * z / (2 * n)
    reach = z * sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2)
    return (middle + side * reach) / (1 + z * z / n)
