"""Made-up subjects whose true means are known, to try the statistics on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

_WITHOUT_HISTORY: Final = 0.3


@dataclass(frozen=True, slots=True)
class Population:
    """`shape` turns standard normal numbers, and independent ones for amounts, into responses;
    `capped_mean` is the exact mean of min(response, cap).

    A subject's response and the one before its exposure are of the same distribution, from
    normal numbers with a correlation of .5; 30 % have no history.
    """

    name: str
    title: str
    is_conversion: bool
    is_winsorised: bool
    shape: Callable[[Floats, Generator], Floats]
    capped_mean: Callable[[float], float]

    def responses(self, generator: Generator, n: int) -> Floats:
        return self.shape(generator.standard_normal(n), generator)

    def with_history(self, generator: Generator, n: int) -> tuple[Floats, Floats, Floats]:
        """Responses, those before the exposure, and 1 where there are none."""
        own = generator.standard_normal((3, n))
        responses = self.shape(sqrt(0.5) * own[0] + sqrt(0.5) * own[1], generator)
        before = self.shape(sqrt(0.5) * own[0] + sqrt(0.5) * own[2], generator)
        is_new = generator.random(n) < _WITHOUT_HISTORY
        return responses, np.where(is_new, 0.0, before), is_new.astype(np.float64)

    def effect_of_lift(self, lift: float, cap: float) -> float:
        """The true difference of the capped means when all responses (of a conversion: the rate)
        grow by the factor 1 + `lift`."""
        factor = 1 + lift
        if self.is_conversion:
            return self.capped_mean(inf) * lift
        return factor * self.capped_mean(cap / factor) - self.capped_mean(cap)


def with_lift(responses: Floats, lift: float, is_conversion: bool, generator: Generator) -> Floats:
    """The responses with an effect planted: each times 1 + `lift`; of a conversion so many of
    those who have not converted (of a negative lift: who have) change over."""
    if lift == 0:
        return responses
    if not is_conversion:
        return responses * (1 + lift)
    rate = float(responses.mean())
    chance = generator.random(len(responses))
    if lift < 0:
        return np.where(chance < -lift, 0.0, responses)
    return np.where(chance < lift * rate / max(1 - rate, 1e-12), 1.0, responses)


def _normal(z: Floats, _generator: Generator) -> Floats:
    return 10 + 3 * z


def _binary(z: Floats, _generator: Generator) -> Floats:
    return (z < float(ndtri(_RATE))).astype(np.float64)


def _lognormal(z: Floats, _generator: Generator) -> Floats:
    return np.asarray(np.exp(_SPREAD * z))


def _buyers(z: Floats, generator: Generator) -> Floats:
    found = np.zeros(len(z))
    buys = np.flatnonzero(z < float(ndtri(_BUYERS)))
    found[buys] = np.exp(_ORDER + generator.standard_normal(len(buys)))
    return found


def _mean_of_lognormal(location: float, spread: float, cap: float) -> float:
    """E min(X, cap)."""
    whole = exp(location + spread**2 / 2)
    if cap == inf:
        return whole
    z = (log(cap) - location) / spread
    return whole * float(ndtr(z - spread)) + cap * float(ndtr(-z))


_RATE: Final = 0.02
_BUYERS: Final = 0.03
_SPREAD: Final = 2.0
_ORDER: Final = 3.5

POPULATIONS: Final[Mapping[str, Population]] = {
    each.name: each
    for each in (
        Population("normal", "normal", False, False, _normal, lambda _cap: 10.0),
        Population("binary", "2 % convert", True, False, _binary, lambda _cap: _RATE),
        Population(
            "lognormal",
            "lognormal, sigma 2",
            False,
            True,
            _lognormal,
            lambda cap: _mean_of_lognormal(0.0, _SPREAD, cap),
        ),
        Population(
            "buyers",
            "3 % buy, lognormal amounts",
            False,
            True,
            _buyers,
            lambda cap: _BUYERS * _mean_of_lognormal(_ORDER, 1.0, cap),
        ),
    )
}
