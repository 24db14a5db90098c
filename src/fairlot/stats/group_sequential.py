"""Group sequential plans: a few looks that are planned, and a boundary at each."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise, zip_longest
from math import ceil, exp, inf, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from fairlot.stats.effects import Difference
from fairlot.stats.results import Estimate, Interval

Floats = NDArray[np.float64]

# Beyond 9 standard deviations lies less than 1e-18; of a normal density that is 4 deviations wide a
# panel of 16 points keeps 1e-15.
FARTHEST: Final = 9.0
_POINTS: Final = 16
_DEVIATIONS_A_PANEL: Final = 4.0
SMALLEST_STEP: Final = 1e-3
"""Of the information. A look after less than that is taken as the one before: it says nothing new,
and what lies between the two would need more nodes the closer they are."""
_PANEL, _PANEL_WEIGHTS = np.polynomial.legendre.leggauss(_POINTS)
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
    A look so early that it has nothing to spend has an infinite boundary. What this costs grows
    with the inverse of the smallest step: below `SMALLEST_STEP` it is not worth it.
    """
    found: list[float] = []
    state = _Continuing.at_start()
    before = 0.0
    for fraction, following in _with_following(fractions):
        now = spent(fraction, alpha)
        step = state.stepped(fraction)
        bound = step.bound_that_spends(now - before)
        found.append(bound)
        if following is not None:
            state, before = step.continuing_within(bound, following), now
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
    steps = _steps_within(fractions, bounds, drift)
    return tuple(accumulate(step.beyond(bound) for step, bound in steps))


def crossing_above(fractions: Sequence[float], bounds: Sequence[float], drift: float) -> float:
    """The probability to cross z > bound at some look, without having crossed z < -bound before."""
    return sum(step.above(bound) for step, bound in _steps_within(fractions, bounds, drift))


def _steps_within(
    fractions: Sequence[float], bounds: Sequence[float], drift: float
) -> Iterator[tuple["_Step", float]]:
    state = _Continuing.at_start(drift)
    for (fraction, following), bound in zip(_with_following(fractions), bounds, strict=True):
        step = state.stepped(fraction)
        yield step, bound
        if following is not None:
            state = step.continuing_within(bound, following)


def group_sequential(effect: Difference, fractions: Sequence[float], alpha: float) -> Estimate:
    """The difference at the last of the looks so far, with its repeated confidence interval.

    `fractions` are of the information that was planned, one for each look so far, ascending, the
    last one this look's; the interval holds at all looks together. Jennison and Turnbull (JRSS B
    1989). `p` is the smallest alpha whose boundary, at this look, is crossed, and 1e-12 at least.
    Less than `SMALLEST_STEP` after another look, the boundary is that of the other one.
    """
    error = effect.standard_error
    fractions = looks_apart(fractions)
    return Estimate(
        estimate=effect.difference,
        standard_error=error,
        interval=repeated_interval(effect, fractions, alpha),
        p=_repeated_p(abs(effect.difference) / error, fractions),
    )


def repeated_interval(effect: Difference, fractions: Sequence[float], alpha: float) -> Interval:
    """That of `group_sequential`, without its p, which takes longer."""
    return _within(effect, _remembered_boundaries(looks_apart(fractions), alpha)[-1])


def repeated_intervals(
    effects: Sequence[Difference], fractions: Sequence[float], alpha: float
) -> list[Interval]:
    """`repeated_interval` of each of the looks, by the boundaries of the last one."""
    apart = looks_apart(fractions)
    bounds = _remembered_boundaries(apart, alpha)
    own = [bounds[bisect_right(apart, fraction) - 1] for fraction in fractions]
    return [_within(effect, bound) for effect, bound in zip(effects, own, strict=True)]


def _within(effect: Difference, bound: float) -> Interval:
    half = min(bound, _FARTHEST_BOUND) * effect.standard_error
    return Interval(low=effect.difference - half, high=effect.difference + half)


def looks_apart(fractions: Sequence[float]) -> tuple[float, ...]:
    """Without those that are less than `SMALLEST_STEP` after the one before that is kept."""
    kept: list[float] = []
    for fraction in fractions:
        if not kept or fraction - kept[-1] >= SMALLEST_STEP:
            kept.append(fraction)
    return tuple(kept)


def equal_fractions(looks: int) -> tuple[float, ...]:
    return tuple(number / looks for number in range(1, looks + 1))


def fraction_of(n: int, planned_size: int) -> float:
    """Of the information: subjects of both arms, of those that were planned; 1 at most."""
    return min(n / planned_size, 1.0)


def is_due(n: int, planned_size: int, looks: int, last_fraction: float) -> bool:
    """Whether the next of equally spaced looks has been reached since the last one, and a
    `SMALLEST_STEP` has gone by. After the look at a fraction of 1, or that close to it, none is."""
    fraction = fraction_of(n, planned_size)
    if fraction - last_fraction < SMALLEST_STEP:
        return False
    return int(fraction * looks + 1e-9) > int(last_fraction * looks + 1e-9)


def _with_following(fractions: Sequence[float]) -> list[tuple[float, float | None]]:
    for before, after in pairwise((0.0, *fractions)):
        if after <= before:
            raise ValueError(f"fractions have to ascend: {before} is followed by {after}")
    return list(zip_longest(fractions, fractions[1:]))


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

    return float(brentq(excess, 0.0, _FARTHEST_BOUND, xtol=1e-9))


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
        below = ndtr((-edge - self._centers) / self.deviation)
        return self.above(bound) + float(np.sum(self.origin.masses * below))

    def above(self, bound: float) -> float:
        """The same on the upper side alone."""
        edge = bound * sqrt(self.fraction)
        above = ndtr((self._centers - edge) / self.deviation)
        return float(np.sum(self.origin.masses * above))

    def bound_that_spends(self, share: float) -> float:
        if share <= 0 or self.beyond(_FARTHEST_BOUND) >= share:
            return inf
        if self.beyond(0.0) <= share:
            return 0.0
        return float(
            brentq(lambda bound: self.beyond(bound) - share, 0.0, _FARTHEST_BOUND, xtol=1e-12)
        )

    def continuing_within(self, bound: float, following: float) -> _Continuing:
        """On nodes that are close enough for the step to the `following` fraction too."""
        edge = bound * sqrt(self.fraction)
        middle = self.origin.drift * self.fraction
        reach = FARTHEST * sqrt(self.fraction)
        low, high = max(-edge, middle - reach), min(edge, middle + reach)
        if low >= high:
            return _Continuing(self.fraction, self.origin.drift, np.zeros(0), np.zeros(0))
        narrowest = sqrt(min(self.fraction - self.origin.fraction, following - self.fraction))
        nodes, weights = quadrature(low, high, narrowest)
        z = (nodes[:, None] - self._centers[None, :]) / self.deviation
        density = np.exp(-0.5 * z * z) @ self.origin.masses / (self.deviation * sqrt(2 * np.pi))
        return _Continuing(self.fraction, self.origin.drift, nodes, weights * density)


def quadrature(low: float, high: float, deviation: float) -> tuple[Floats, Floats]:
    """Nodes and weights for what changes over a `deviation`: panels of Gauss and Legendre."""
    panels = ceil((high - low) / (_DEVIATIONS_A_PANEL * deviation))
    half = (high - low) / panels / 2
    centers = low + half * (2 * np.arange(panels) + 1)
    nodes = centers[:, None] + half * _PANEL[None, :]
    return nodes.ravel(), np.tile(half * _PANEL_WEIGHTS, panels)


@lru_cache(maxsize=256)
def _remembered_boundaries(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    return boundaries(fractions, alpha)
