"""How the subjects of one arm vary about its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from fairlot.stats.effects import common_skewness
from fairlot.stats.ratios import response_of
from fairlot.stats.sufficient import MetricDay


@dataclass(frozen=True, slots=True)
class Spread:
    """Of what is measured of each of `n` subjects: winsorised, of a ratio made linear. The root of
    `variance` over `n` is the standard error of the value. `skewness` is None without variance."""

    n: int
    variance: float
    skewness: float | None

    @property
    def standard_error(self) -> float:
        return sqrt(self.variance / self.n)


def spread_of_responses(day: MetricDay, responses: int) -> Spread | None:
    """Variance with n - 1. None of fewer than two subjects, or without a denominator."""
    response = response_of(day.moments, responses)
    if response is None or day.moments.n < 2:
        return None
    return Spread(day.moments.n, response.variance, response.skewness)


def spread_over_phases(parts: Sequence[tuple[Spread, float]]) -> Spread:
    """That which one sample of all subjects would need for the error that the mean of the phases,
    by their weights, has. At least one, with positive weights."""
    if len(parts) == 1:
        return parts[0][0]
    whole = sum(weight for _, weight in parts)
    n = sum(spread.n for spread, _ in parts)
    square = sum((weight / whole * spread.standard_error) ** 2 for spread, weight in parts)
    skewness = common_skewness(
        (weight / whole, spread.n, spread.standard_error, spread.skewness)
        for spread, weight in parts
    )
    return Spread(n, n * square, skewness)
