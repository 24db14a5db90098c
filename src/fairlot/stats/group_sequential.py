"""Group sequential plans: a few looks that are planned, and a boundary at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from fairlot.stats.effects import Effect
from fairlot.stats.results import Estimate, Interval

Floats = NDArray[np.float64]

# Beyond 9 standard deviations lies less than 1e-18; the nodes keep 1e-10 with 100 looks.
FARTHEST: Final = 9.0
_NODES_A_DEVIATION: Final = 4.0
_NODES_ROUNDED_TO: Final = 32
_FARTHEST_BOUND: Final = 37.0  # where a double has no smaller probability left
_SMALLEST_P: Final = 1e-12


def spent(fraction: float, alpha: float) -> float:
    """How much of two-sided `alpha` may be spent up to a fraction (0 to 1) of the information.

    Lan and DeMets (Biometrika 1983), of O'Brien-Fleming type, for each side half of alpha:
    4 (1 - Phi(z / sqrt(fraction))) with z the upper quantile of alpha / 4.
    """
    return 4.0 * float(ndtr(ndtri(alpha / 4) / sqrt(fraction))) if fraction > 0 else 0.0


def boundaries(fractions: Sequence[float], alpha: float) -> tuple[float, ...]:
    """|z| at which each look stops, for ascending fractions of the information up to 1.

    Solved one after the other with the recursion of Armitage, McPherson and Rowe (JRSS A 1969).
    A look so early that it has nothing to spend has an infinite boundary.
    """
    found: list[float] = []
    state = _Continuing.at_start()
    before = 0.0
    for fraction in fractions:
        now = spent(fraction, alpha)
        step = state.stepped(fraction)
        bound = step.bound_that_spends(now - before)
        state, before = step.continuing_within(bound), now
        found.append(bound)
    return tuple(found)


def pocock(looks: int, alpha: float) -> float:
    """The same |z| at each of equally spaced looks."""
    return _scaled([1.0] * looks, alpha)


def obrien_fleming(looks: int, alpha: float) -> tuple[float, ...]:
    """|z| at each of equally spaced looks, falling with the root of the information."""
    shape = [sqrt(looks / number) for number in range(1, looks + 1)]
    scale = _scaled(shape, alpha)
    return tuple(scale * each for each in shape)


def crossing(
    fractions: Sequence[float], bounds: Sequence[float], drift: float = 0.0
) -> tuple[float, ...]:
    """The probability to have crossed |z| > bound by each look; `drift` is the expected z at a
    fraction of 1."""
    state = _Continuing.at_start(drift)
    crossed, by_look = 0.0, []
    for fraction, bound in zip(fractions, bounds, strict=True):
        step = state.stepped(fraction)
        crossed += step.beyond(bound)
        by_look.append(crossed)
        state = step.continuing_within(bound)
    return tuple(by_look)


def group_sequential(effect: Effect, fractions: Sequence[float], alpha: float) -> Estimate:
    """The difference at the last of the looks so far, with its repeated confidence interval.

    `fractions` are of the information that was planned, one for each look so far, ascending, the
    last one this look's; the interval holds at all looks together. Jennison and Turnbull (JRSS B
    1989). `p` is the smallest alpha whose boundary, at this look, is crossed, and 1e-12 at least.
    """
    error = effect.standard_error
    return Estimate(
        estimate=effect.difference,
        standard_error=error,
        interval=repeated_interval(effect, fractions, alpha),
        p=_repeated_p(abs(effect.difference) / error, fractions),
    )


def repeated_interval(effect: Effect, fractions: Sequence[float], alpha: float) -> Interval:
    """That of `group_sequential`, without its p, which takes longer."""
    bound = _remembered_boundaries(tuple(fractions), alpha)[-1]
    half = min(bound, _FARTHEST_BOUND) * effect.standard_error
    return Interval(low=effect.difference - half, high=effect.difference + half)


def equal_fractions(looks: int) -> tuple[float, ...]:
    return tuple(number / looks for number in range(1, looks + 1))


def fraction_of(n: int, planned_size: int) -> float:
    """Of the information: subjects of both arms, of those that were planned; 1 at most."""
    return min(n / planned_size, 1.0)


def is_due(n: int, planned_size: int, looks: int, last_fraction: float) -> bool:
    """Whether the next of equally spaced looks has been reached since the last one. After the
    look at a fraction of 1 none is."""
    return int(fraction_of(n, planned_size) * looks + 1e-9) > int(last_fraction * looks + 1e-9)


def _repeated_p(z: float, fractions: Sequence[float]) -> float:
    def excess(log_alpha: float) -> float:
        return min(boundaries(fractions, exp(log_alpha))[-1], _FARTHEST_BOUND) - z

    if excess(log(_SMALLEST_P)) <= 0:
        return _SMALLEST_P
    if excess(0.0) >= 0:
        return 1.0
    return exp(float(brentq(excess, log(_SMALLEST_P), 0.0, xtol=1e-9)))


def _scaled(shape: Sequence[float], alpha: float) -> float:
    fractions = equal_fractions(len(shape))

    def excess(scale: float) -> float:
        return crossing(fractions, [scale * each for each in shape])[-1] - alpha

    return float(brentq(excess, 0.1, 20.0, xtol=1e-9))


@dataclass(frozen=True, slots=True)
class _Continuing:
    """The density of the score (z times the root of the fraction) of those that go on, on nodes.

    At the start it is all at 0: one node, with a weight of 1.
    """

    fraction: float
    drift: float
    nodes: Floats
    masses: Floats

    @classmethod
    def at_start(cls, drift: float = 0.0) -> "_Continuing":
        return cls(0.0, drift, np.zeros(1), np.ones(1))

    def stepped(self, fraction: float) -> "_Step":
        if fraction <= self.fraction:
            raise ValueError(f"fractions have to ascend: {self.fraction} is followed by {fraction}")
        return _Step(self, fraction, sqrt(fraction - self.fraction))


@dataclass(frozen=True, slots=True)
class _Step:
    """From one look to the next: the increment is normal, with `deviation`."""

    origin: _Continuing
    fraction: float
    deviation: float

    @property
    def _centers(self) -> Floats:
        step = self.fraction - self.origin.fraction
        return self.origin.nodes + self.origin.drift * step

    def beyond(self, bound: float) -> float:
        """The probability that this look is the first to cross."""
        edge = bound * sqrt(self.fraction)
        above = ndtr((self._centers - edge) / self.deviation)
        below = ndtr((-edge - self._centers) / self.deviation)
        return float(np.sum(self.origin.masses * (above + below)))

    def bound_that_spends(self, share: float) -> float:
        if share <= 0 or self.beyond(_FARTHEST_BOUND) >= share:
            return inf
        if self.beyond(0.0) <= share:
            return 0.0
        return float(
            brentq(lambda bound: self.beyond(bound) - share, 0.0, _FARTHEST_BOUND, xtol=1e-12)
        )

    def continuing_within(self, bound: float) -> _Continuing:
        edge = bound * sqrt(self.fraction)
        middle = self.origin.drift * self.fraction
        reach = FARTHEST * sqrt(self.fraction)
        low, high = max(-edge, middle - reach), min(edge, middle + reach)
        if low >= high:
            return _Continuing(self.fraction, self.origin.drift, np.zeros(0), np.zeros(0))
        nodes, weights = _quadrature(low, high, self.deviation)
        z = (nodes[:, None] - self._centers[None, :]) / self.deviation
        density = np.exp(-0.5 * z * z) @ self.origin.masses / (self.deviation * sqrt(2 * np.pi))
        return _Continuing(self.fraction, self.origin.drift, nodes, weights * density)


def _quadrature(low: float, high: float, deviation: float) -> tuple[Floats, Floats]:
    count = int((high - low) / deviation * _NODES_A_DEVIATION) // _NODES_ROUNDED_TO + 1
    points, weights = _gauss_legendre(count * _NODES_ROUNDED_TO)
    return (high - low) / 2 * points + (high + low) / 2, (high - low) / 2 * weights


@lru_cache(maxsize=256)
def _remembered_boundaries(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    return boundaries(fractions, alpha)


@lru_cache(maxsize=64)
def _gauss_legendre(count: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(count)
