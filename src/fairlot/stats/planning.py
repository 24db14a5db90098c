"""How many subjects an experiment needs, what it could find with those it gets, and how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import ceil, sqrt
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from fairlot.stats.group_sequential import boundaries, crossing_above, equal_fractions
from fairlot.stats.results import Method
from fairlot.stats.sequences import half_width

DAYS_A_WEEK: Final = 7
_LARGEST_SIZE: Final = 1e15
_HAIR: Final = 1e-12


class NoPlan(StrEnum):
    """Why there is no size, effect or runtime."""

    NO_EFFECT = "no_effect"
    NO_VARIANCE = "no_variance"
    OUT_OF_RANGE = "out_of_range"
    """A rate may neither rise nor fall by so much."""
    TOO_FEW_SUBJECTS = "too_few_subjects"
    TOO_MANY_SUBJECTS = "too_many_subjects"
    """A million times a billion would not do."""
    NO_ARRIVALS = "no_arrivals"


@dataclass(frozen=True, slots=True)
class Design:
    """What is planned. `alpha` is two-sided, and shared out (Bonferroni) over the arms that are
    compared with the control, times `primaries`. The arms but the control are of one size.

    `method` says how the result is read, `looks` how often with group sequential boundaries.
    `planned_size` is N* of a sequential one, both arms of a comparison: None for the size that
    comes out, with which `threshold`, `drift` and `inflation` are told whatever it is.
    `variance_reduction` (0 to below 1) is what CUPED is expected to take off the variance.
    `is_pooled`: the null hypothesis has the variance of the baseline in both arms, and sizes are
    rounded to the nearest, as online calculators have it; for rates only.
    """

    alpha: float = 0.05
    power: float = 0.8
    arms: int = 2
    control_share: float | None = None
    primaries: int = 1
    method: Method = Method.FIXED
    looks: int = 5
    planned_size: int | None = None
    variance_reduction: float = 0.0
    is_pooled: bool = False

    @property
    def alpha_of_each(self) -> float:
        return self.alpha / (self.arms - 1) / self.primaries

    @property
    def finds_more_than_chance(self) -> bool:
        """Whether more is asked for than a comparison finds where nothing is: otherwise there is
        nothing to plan."""
        return self.power > self.alpha_of_each

    @property
    def shares(self) -> tuple[float, float]:
        """Of all subjects: of the control, and of each other arm."""
        control = 1 / self.arms if self.control_share is None else self.control_share
        return control, (1 - control) / (self.arms - 1)

    @property
    def threshold(self) -> float:
        """|z| that the last look has to reach."""
        return _THRESHOLDS[self.method](self)

    @property
    def drift(self) -> float:
        """The expected z at the end with which the power is reached."""
        return _drift(self)

    @property
    def inflation(self) -> float:
        """How many times the subjects of a fixed plan."""
        fixed = -float(ndtri(self.alpha_of_each / 2)) + float(ndtri(self.power))
        return (self.drift / fixed) ** 2


@dataclass(frozen=True, slots=True)
class Size:
    """Subjects: of the control, of each other arm, and of all arms together. `planned_size` are
    the two arms of a comparison: N* of its confidence sequence."""

    control: int
    treatment: int
    total: int

    @property
    def planned_size(self) -> int:
        return self.control + self.treatment


def size_for_rate(rate: float, effect: float, design: Design) -> Size | NoPlan:
    """To find an absolute change of a rate, up or down, whichever takes more subjects.

    (z_a + z_b)^2 (p (1 - p) + q (1 - q)) / effect^2 in each of two even arms, rounded up: Fleiss,
    Levin and Paik (2003), formula 4.14 without correction; with `is_pooled` the variance under
    z_a is 2 p (1 - p). With `Method.SEQUENTIAL` the power is that of the last look alone: with
    the earlier ones it is a little more.
    """
    if effect <= 0:
        return NoPlan.NO_EFFECT
    found = [
        _size(design, _total(design, (rate * (1 - rate), other * (1 - other)), effect))
        for other in (rate + effect, rate - effect)
        if 0 <= other <= 1
    ]
    sizes = [each for each in found if isinstance(each, Size)]
    if len(sizes) < len(found):
        return NoPlan.TOO_MANY_SUBJECTS
    return max(sizes, key=lambda size: size.total, default=NoPlan.OUT_OF_RANGE)


def size_for_mean(deviation: float, effect: float, design: Design) -> Size | NoPlan:
    """To find an absolute change of a mean of subjects with that standard deviation (of a ratio,
    that of numerator - ratio * denominator, by the denominator's mean)."""
    if effect <= 0:
        return NoPlan.NO_EFFECT
    if deviation <= 0:
        return NoPlan.NO_VARIANCE
    return _size(design, _total(design, (deviation**2, deviation**2), effect))


def effect_on_rate(rate: float, total: int, design: Design) -> float | NoPlan:
    """The smallest absolute change, in the harder direction, that `total` subjects find."""
    widest, total = max(rate, 1 - rate), min(total, int(_LARGEST_SIZE))
    drift = _drift_at(design, total) if total > 0 else design.drift
    if _needed(rate, widest, design, drift) > total:
        return NoPlan.TOO_FEW_SUBJECTS

    def lacking(effect: float) -> float:
        return _needed(rate, effect, design, drift) - total

    # Of a rate of 0 the variance goes with the effect: with many subjects that is tiny.
    smallest = widest
    while lacking(smallest) <= 0:
        smallest /= 2
    return float(brentq(lacking, smallest, widest, xtol=1e-30, rtol=1e-12))


def effect_on_mean(deviation: float, total: int, design: Design) -> float | NoPlan:
    """The smallest absolute change that `total` subjects find."""
    if deviation <= 0:
        return NoPlan.NO_VARIANCE
    if total <= 0:
        return NoPlan.TOO_FEW_SUBJECTS
    drift = _drift_at(design, total)
    return sqrt(_total_of(drift, design, (deviation**2, deviation**2), 1.0) / total)


def power_for(effect: float, standard_error: float, design: Design) -> float:
    """Of the last look (group sequential: of any look), on the side of the effect."""
    drift = effect / standard_error
    if design.method is Method.GROUP_SEQUENTIAL:
        return _power_of_looks(design, drift)
    return float(ndtr(drift - design.threshold))


def weeks_until(total: int, arrivals: Sequence[float], window_days: float) -> int | NoPlan:
    """Whole weeks until `total` subjects have come and their windows are over.

    `arrivals`: how many new subjects came on each day of a period like the one to come, from its
    first day. They become fewer as regulars have been seen; after the period it goes on as in its
    last week.
    """
    came, day = 0.0, 0
    for arrived in arrivals:
        if came >= total:
            break
        came, day = came + arrived, day + 1
    if came < total:
        last_week = arrivals[-DAYS_A_WEEK:]
        a_day = sum(last_week) / len(last_week) if last_week else 0.0
        if a_day <= 0:
            return NoPlan.NO_ARRIVALS
        day += ceil((total - came) / a_day)
    return max(ceil((day + window_days) / DAYS_A_WEEK), 1)


def subjects_after(weeks: int, arrivals: Sequence[float], window_days: float) -> int:
    """How many have matured after so many weeks of such arrivals."""
    days = max(int(weeks * DAYS_A_WEEK - window_days), 0)
    last_week = arrivals[-DAYS_A_WEEK:]
    a_day = sum(last_week) / len(last_week) if last_week else 0.0
    return int(sum(arrivals[:days]) + a_day * max(days - len(arrivals), 0))


def _needed(rate: float, effect: float, design: Design, drift: float) -> float:
    """Subjects, not rounded, in the harder of the directions that there are."""
    return max(
        _total_of(drift, design, (rate * (1 - rate), abs(other * (1 - other))), effect)
        for other in (rate + effect, rate - effect)
        if -_HAIR <= other <= 1 + _HAIR
    )


def _total(design: Design, variances: tuple[float, float], effect: float) -> float:
    """Of all arms, not rounded. With an N* of its own a sequential plan takes more, by how far the
    size is from it; its interval still narrows with every subject, so there is one solution."""
    best = _total_of(design.drift, design, variances, effect)
    if not _has_own_size(design) or not 0 < best <= _LARGEST_SIZE:
        return best

    def lacking(total: float) -> float:
        return _total_of(_drift_at(design, total), design, variances, effect) / total - 1

    # rho is that which is best but for a hair, so a little beyond N* it takes less than `best`.
    low, high = best / 2, 2 * best
    while lacking(high) > 0:
        high *= 2
    return float(brentq(lacking, low, high, rtol=1e-12))


def _total_of(drift: float, design: Design, variances: tuple[float, float], effect: float) -> float:
    control, treatment = design.shares
    left = 1 - design.variance_reduction
    deviation = sqrt(left * (variances[0] / control + variances[1] / treatment))
    if not design.is_pooled:
        return _squared(drift * deviation / effect)
    null = sqrt(left * variances[0] * (1 / control + 1 / treatment))
    threshold = design.threshold
    return _squared((threshold * null + (drift - threshold) * deviation) / effect)


def _squared(number: float) -> float:
    """Infinite, where a power of floats would be an error."""
    return number * number


def _has_own_size(design: Design) -> bool:
    return design.method is Method.SEQUENTIAL and design.planned_size is not None


def _drift_at(design: Design, total: float) -> float:
    """`Design.drift` at a size of all arms."""
    if design.planned_size is None or design.method is not Method.SEQUENTIAL:
        return design.drift
    n = np.float64(total * sum(design.shares))
    threshold = half_width(np.float64(1.0), n, design.planned_size, design.alpha_of_each)
    return float(threshold) + float(ndtri(design.power))


def _size(design: Design, total: float) -> Size | NoPlan:
    if not total <= _LARGEST_SIZE:
        return NoPlan.TOO_MANY_SUBJECTS
    # Rounding errors of a hair do not cost a subject; calculators round to the nearest.
    rounded = round if design.is_pooled else ceil
    control, treatment = (max(rounded(total * share * (1 - 1e-12)), 1) for share in design.shares)
    return Size(control, treatment, control + treatment * (design.arms - 1))


def _fixed_threshold(design: Design) -> float:
    return -float(ndtri(design.alpha_of_each / 2))


def _sequence_threshold(design: Design) -> float:
    """Half the interval in standard errors, where N is N*: the same for every N*."""
    return float(half_width(np.float64(1.0), np.float64(1.0), 1.0, design.alpha_of_each))


def _last_boundary(design: Design) -> float:
    return boundaries(equal_fractions(design.looks), design.alpha_of_each)[-1]


_THRESHOLDS: Final[dict[Method, Callable[[Design], float]]] = {
    Method.FIXED: _fixed_threshold,
    Method.SEQUENTIAL: _sequence_threshold,
    Method.GROUP_SEQUENTIAL: _last_boundary,
}


@lru_cache(maxsize=64)
def _drift(design: Design) -> float:
    if design.method is not Method.GROUP_SEQUENTIAL:
        return design.threshold + float(ndtri(design.power))

    def lacking(drift: float) -> float:
        return _power_of_looks(design, drift) - design.power

    return float(brentq(lacking, 0.0, 60.0, xtol=1e-10))


def _power_of_looks(design: Design, drift: float) -> float:
    fractions = equal_fractions(design.looks)
    return crossing_above(fractions, boundaries(fractions, design.alpha_of_each), drift)
