"""Confidence sequences: intervals that hold at every look at once."""

from collections.abc import Iterable
from math import ceil, inf, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairlot.stats.effects import Difference, Effect
from fairlot.stats.results import Estimate, Interval

SMALLEST_ARM: Final = 100
SUBJECTS_A_SQUARED_SKEWNESS: Final = 355
SMALLEST_CELL: Final = 10
CUBES_A_CONVERSION: Final = 8

Floats = NDArray[np.float64]


def confidence_sequence(effect: Difference, planned_size: float, alpha: float) -> Estimate:
    """The difference with an interval that covers it at all looks with probability 1 - `alpha`.

    Estimand: treatment minus control. Assumes independent subjects and a standard error that has
    settled (see `gate_of`); holds asymptotically. Waudby-Smith et al., arXiv 2103.06476, theorem
    2.2 and the choice of rho in its appendix B.2: narrowest when both arms together have
    `planned_size` subjects, which has to be fixed before the first look. `p` is the smallest alpha
    whose interval, with that rho, leaves out 0.
    """
    n = float(effect.n)
    error = np.float64(effect.standard_error)
    half = float(half_width(error, np.float64(n), planned_size, alpha))
    return Estimate(
        estimate=effect.difference,
        standard_error=effect.standard_error,
        interval=Interval(low=effect.difference - half, high=effect.difference + half),
        p=float(
            sequence_p(np.float64(effect.difference), error, np.float64(n), planned_size, alpha)
        ),
    )


def half_width(
    standard_error: Floats | np.float64, n: Floats | np.float64, planned_size: float, alpha: float
) -> Floats | np.float64:
    """Of arrays of looks too; `n` counts both arms."""
    weight = n * _rho_squared(planned_size, alpha)
    z = np.sqrt(2 * (weight + 1) / weight * (0.5 * np.log1p(weight) - np.log(alpha)))
    width: Floats | np.float64 = np.multiply(standard_error, z)
    return width


def sequence_p(
    difference: Floats | np.float64,
    standard_error: Floats | np.float64,
    n: Floats | np.float64,
    planned_size: float,
    alpha: float,
) -> Floats | np.float64:
    """`half_width`, solved for alpha at the difference."""
    weight = n * _rho_squared(planned_size, alpha)
    z = difference / standard_error
    log_p = 0.5 * np.log1p(weight) - z * z * weight / (2 * (weight + 1))
    return np.exp(np.minimum(log_p, 0.0))


def gate_of(effect: Effect, is_conversion: bool, alpha: float) -> str | None:
    """Why the arms are too small to conclude from at `alpha`, or None.

    Means have to be near enough to normal. Each arm needs 100 subjects; of a conversion as many who
    converted, and who did not, as `fewest_in_a_cell` says; of anything else 355 times the squared
    skewness of what is measured (Kohavi et al., KDD 2014, section 3.5), and where nothing varies
    there is no conclusion. That the sequence then keeps its promise is simulated in
    `tests/statistical`.
    """
    arms = (
        ("control", effect.n_control, effect.skewness_control, effect.converted_control),
        ("treatment", effect.n_treatment, effect.skewness_treatment, effect.converted_treatment),
    )
    for name, n, skewness, converted in arms:
        if n < SMALLEST_ARM:
            return _lacking(name, n, SMALLEST_ARM, "subjects")
        if is_conversion:
            lacking = _lacking_conversions(name, n, converted, fewest_in_a_cell(alpha))
        else:
            lacking = _lacking_subjects(name, n, skewness)
        if lacking is not None:
            return lacking
    return None


def fewest_in_a_cell(alpha: float) -> int:
    """An eighth of the cube of ln(1 / alpha), at least 10: 10 down to alpha .0135, 42 at .001.

    At z standard errors, of k conversions, the skewness makes an error exp(z^3 / (3 sqrt(k))) times
    as probable; a sequence has a constant factor to spare, and its z^2 grows as ln(1 / alpha).
    """
    return max(SMALLEST_CELL, ceil(log(1 / alpha) ** 3 / CUBES_A_CONVERSION))


def _lacking_conversions(name: str, n: int, converted: int, fewest: int) -> str | None:
    if converted < fewest:
        return _lacking(name, converted, fewest, "conversions")
    if n - converted < fewest:
        return _lacking(name, n - converted, fewest, "subjects without a conversion")
    return None


def _lacking_subjects(name: str, n: int, skewness: float | None) -> str | None:
    if skewness is None:
        return f"all subjects of the {name} have the same value"
    needed = ceil(SUBJECTS_A_SQUARED_SKEWNESS * skewness * skewness)
    return _lacking(name, n, needed, "subjects") if n < needed else None


def _lacking(name: str, found: int, needed: int, what: str) -> str:
    return f"the {name} has {found:,} of the {needed:,} {what} that this metric needs"


def running_intersections(intervals: Iterable[Interval]) -> tuple[Interval | None, ...]:
    """What each look and all before it have in common; None from the look on where that is
    nothing, which should happen to one experiment in 1 / alpha at most."""
    running: list[Interval | None] = []
    low, high = -inf, inf
    for interval in intervals:
        low, high = max(low, interval.low), min(high, interval.high)
        running.append(Interval(low=low, high=high) if low <= high else None)
    return tuple(running)


def _rho_squared(planned_size: float, alpha: float) -> float:
    """Of `planned_size`, and narrowest there."""
    log_alpha = float(np.log(alpha))
    return float((-2 * log_alpha + np.log1p(-2 * log_alpha)) / planned_size)
