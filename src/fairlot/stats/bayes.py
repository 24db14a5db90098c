"""The Bayesian view: how probable it is that an arm is better, and what choosing it may cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, pi, sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaincc, betaincinv, erfcx, ndtr, ndtri

from fairlot.stats.metrics import Direction
from fairlot.stats.results import Bayesian, Interval

Floats = NDArray[np.float64]

_NODES: Final = 64
_PANELS: Final = 24
_TAIL: Final = 1e-18


class Posterior(Protocol):
    """What is known of an arm. `reach` is where all but next to nothing of it lies."""

    @property
    def center(self) -> float: ...
    @property
    def reach(self) -> tuple[float, float]: ...
    def masses(self, at: Floats, weights: Floats) -> Floats: ...
    def below(self, at: Floats) -> Floats: ...
    def above(self, at: Floats) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Rate:
    """The posterior of a rate under a uniform prior: Beta(1 + converted, 1 + the others)."""

    converted: int
    n: int

    @property
    def a(self) -> float:
        return self.converted + 1.0

    @property
    def b(self) -> float:
        return self.n - self.converted + 1.0

    @property
    def center(self) -> float:
        return self.a / (self.a + self.b)

    def masses(self, at: Floats, weights: Floats) -> Floats:
        """At the nodes of a quadrature. They add up to 1: the beta function of large counts
        cancels, and is not needed."""
        return _masses((self.a - 1) * np.log(at) + (self.b - 1) * np.log1p(-at), weights)

    def below(self, at: Floats) -> Floats:
        return np.asarray(betainc(self.a, self.b, np.clip(at, 0.0, 1.0)))

    def above(self, at: Floats) -> Floats:
        return np.asarray(betaincc(self.a, self.b, np.clip(at, 0.0, 1.0)))

    @property
    def reach(self) -> tuple[float, float]:
        """Where all but 2e-18 of it lies."""
        upper = 1.0 - float(betaincinv(self.b, self.a, _TAIL))
        return float(betaincinv(self.a, self.b, _TAIL)), upper


@dataclass(frozen=True, slots=True)
class Normal:
    """The posterior of what is estimated with a normal `error` (positive), under a flat prior."""

    center: float
    error: float

    @property
    def reach(self) -> tuple[float, float]:
        """Where all but 2e-18 of it lies."""
        half = -float(ndtri(_TAIL)) * self.error
        return self.center - half, self.center + half

    def masses(self, at: Floats, weights: Floats) -> Floats:
        return _masses(-0.5 * self._z(at) ** 2, weights)

    def below(self, at: Floats) -> Floats:
        return np.asarray(ndtr(self._z(at)))

    def above(self, at: Floats) -> Floats:
        return np.asarray(ndtr(-self._z(at)))

    def _z(self, at: Floats) -> Floats:
        return (at - self.center) / self.error


def beta_binomial(control: Rate, treatment: Rate, direction: Direction, alpha: float) -> Bayesian:
    """Of two rates, with uniform priors, by quadrature.

    `probability_better` is of the treatment, `expected_loss` what choosing it loses on average
    against having chosen the better one, in the unit of the rate; `interval` holds the difference
    (treatment minus control) with probability 1 - `alpha`. Without subjects the priors are left.
    No guarantee under peeking.
    """
    better, worse = (treatment, control)
    if direction is Direction.DECREASE:
        better, worse = (control, treatment)
    return Bayesian(
        probability_better=_probability_above(better, worse),
        expected_loss=_mean_excess(worse, better),
        interval=Interval(
            low=_difference_quantile(control, treatment, alpha / 2),
            high=-_difference_quantile(treatment, control, alpha / 2),
        ),
    )


def normal(
    difference: float, standard_error: float, direction: Direction, alpha: float
) -> Bayesian:
    """Of a difference whose estimate is near to normal, with a flat prior.

    The fields are those of `beta_binomial`. The standard error has to be positive.
    """
    sign = 1.0 if direction is Direction.INCREASE else -1.0
    z = sign * difference / standard_error
    half = -float(ndtri(alpha / 2)) * standard_error
    return Bayesian(
        probability_better=float(ndtr(z)),
        expected_loss=standard_error * _normal_loss(z),
        interval=Interval(low=difference - half, high=difference + half),
    )


def probabilities_best(arms: Sequence[Posterior], direction: Direction) -> tuple[float, ...]:
    """Of each of several arms, that it is the best one. One arm alone is."""
    nodes, weights = _grid(arms)
    cumulative = [_worse(arm, nodes, direction) for arm in arms]
    return tuple(
        _share(np.sum(arm.masses(nodes, weights) * _product_without(cumulative, number)))
        for number, arm in enumerate(arms)
    )


def expected_losses(arms: Sequence[Posterior], direction: Direction) -> tuple[float, ...]:
    """Of choosing each of several arms: how far the best other one is beyond it, on average."""
    nodes, weights = _grid(arms)
    cumulative = [_worse(arm, nodes, direction) for arm in arms]
    return tuple(
        float(np.sum(weights * own * (1 - _product_without(cumulative, number))))
        for number, own in enumerate(cumulative)
    )


def _probability_above(arm: Rate, other: Rate) -> float:
    nodes, weights = _grid((arm, other))
    return _share(np.sum(arm.masses(nodes, weights) * other.below(nodes)))


def _mean_excess(arm: Rate, other: Rate) -> float:
    """Of max(arm - other, 0): the integral of P(other < x < arm), where nothing cancels."""
    nodes, weights = _grid((arm, other))
    return float(np.sum(weights * other.below(nodes) * arm.above(nodes)))


def _difference_quantile(first: Rate, second: Rate, share: float) -> float:
    """Of second - first."""
    nodes, weights = _grid((first,))
    masses = first.masses(nodes, weights)

    def excess(at: float) -> float:
        return float(np.sum(masses * second.below(nodes + at))) - share

    return float(brentq(excess, -1.0, 1.0, xtol=1e-13))


def _masses(logs: Floats, weights: Floats) -> Floats:
    unscaled = weights * np.exp(logs - logs.max())
    return np.asarray(unscaled / unscaled.sum())


def _share(found: np.float64) -> float:
    return min(float(found), 1.0)


def _worse(arm: Posterior, at: Floats, direction: Direction) -> Floats:
    return arm.below(at) if direction is Direction.INCREASE else arm.above(at)


def _product_without(factors: Sequence[Floats], number: int) -> Floats:
    others = [each for position, each in enumerate(factors) if position != number]
    return np.asarray(np.prod(others, axis=0)) if others else np.ones_like(factors[0])


def _grid(arms: Sequence[Posterior]) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes over all that the arms reach, finer where one of them ends."""
    ends = sorted({end for arm in arms for end in (*arm.reach, arm.center)})
    edges = np.concatenate(
        [np.linspace(low, high, _PANELS, endpoint=False) for low, high in pairwise(ends)]
        + [np.array([ends[-1]])]
    )
    points, weights = np.polynomial.legendre.leggauss(_NODES // 4)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * points).ravel(), (half * weights).ravel()


def _normal_loss(z: float) -> float:
    """E max(-(z + noise), 0) = phi(z) - z Phi(-z), through the Mills ratio where it is small."""
    density = exp(-0.5 * z * z) / sqrt(2 * pi)
    if z <= 0:
        return density - z * float(ndtr(-z))
    return density * (1 - z * sqrt(pi / 2) * float(erfcx(z / sqrt(2))))
