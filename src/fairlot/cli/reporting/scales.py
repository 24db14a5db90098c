"""Scales of charts: from values to positions between 0 and 1."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Final

from fairlot.stats.results import MetricResult

_BEYOND_A_MARGIN: Final = 1.3
_ROUND: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_ALMOST: Final = 1 - 1e-9
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    low: float
    high: float

    def position(self, value: float) -> float:
        """Values beyond an end are at that end."""
        if not self.high > self.low:
            return 0.5
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def scale_of(metric: MetricResult) -> Scale:
    """As far to the left of zero as to the right, so that zero is in the middle of all of them,
    and all intervals that are no gated ones fit, with the margin and some of what is beyond it."""
    ends = [
        end
        for each in metric.comparisons
        if not each.is_gated
        for end in (each.interval.low, each.interval.high)
    ]
    if metric.margin is not None:
        ends.append(metric.margin * _BEYOND_A_MARGIN)
    longest = max((abs(each) for each in ends if isfinite(each)), default=0.0)
    end = round_up(longest) if longest else 1.0
    return Scale(-end, end)


def round_up(value: float) -> float:
    """To 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(step for step in _ROUND if step * power >= value * 0.999999) * power


def ticks_of(low: float, high: float, most: int) -> list[float]:
    """Round values from `low` to `high`, `most` of them at most."""
    if not high > low or most < 2:
        return [low]
    raw = (high - low) / (most - 1)
    power = 10.0 ** floor(log10(raw))
    step = next(each for each in _STEPS if each * power >= raw * _ALMOST) * power
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def scale_around(values: Iterable[float]) -> Scale:
    """All finite ones, zero, and a twentieth of air at both ends."""
    finite = [each for each in values if isfinite(each)] + [0.0]
    low, high = min(finite), max(finite)
    air = (high - low) / 20 or 1.0
    return Scale(low - air, high + air)
