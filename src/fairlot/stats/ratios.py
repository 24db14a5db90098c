"""What is compared between arms: a mean, or a ratio of means made linear by the delta method."""

from dataclasses import dataclass
from typing import Final

from fairlot.stats.moments import Moments

# Below these a variance is what rounding left of zero: of a constant, and of terms that cancel.
_ROUNDING_OF_A_MEAN: Final = 1e-14
_ROUNDING_OF_A_SUM: Final = 1e-13


@dataclass(frozen=True, slots=True)
class Response:
    """`value` of an arm and, by `weights` of its first columns, the z of each subject whose
    variance over n is that of `value`: z = y of a mean, z = (y - R d) / mean_d of a ratio R."""

    moments: Moments
    value: float
    weights: tuple[float, ...]

    @property
    def variance(self) -> float:
        """Of z, with n - 1; 0 where only rounding is left. Needs two subjects."""
        terms = [
            left * right * self.moments.product(row, column)
            for row, left in enumerate(self.weights)
            for column, right in enumerate(self.weights)
        ]
        degrees = self.moments.n - 1
        variance = sum(terms) / degrees
        size = sum(
            abs(weight * mean)
            for weight, mean in zip(self.weights, self.moments.means, strict=False)
        )
        noise = max(
            (_ROUNDING_OF_A_MEAN * size) ** 2,
            _ROUNDING_OF_A_SUM * sum(abs(term) for term in terms) / degrees,
        )
        return variance if variance > noise else 0.0

    @property
    def skewness(self) -> float | None:
        """Of z: third central moment over variance^(3/2), both with n. None without variance."""
        if self.moments.n < 2 or self.variance == 0:
            return None
        third = sum(
            factor * cube
            for factor, cube in zip(_cubed(self.weights), self.moments.cubes, strict=True)
        )
        n = self.moments.n
        second = self.variance * ((n - 1) / n)
        return float(third / n / second**1.5)

    def product_with(self, column: int) -> float:
        """The sum of products of the deviations of z and of a column."""
        return sum(
            weight * self.moments.product(row, column) for row, weight in enumerate(self.weights)
        )


def response_of(moments: Moments, responses: int) -> Response | None:
    """The mean of one response, or the ratio of the means of two.

    The ratio's estimand is sum(y) / sum(d) of all subjects, for subjects that are independent
    while their events are not. Delta method: Deng, Knoblich and Lu (2018, arXiv 1803.06336), eq. 3.
    None of no subjects, and of a ratio whose denominator's mean is not positive.
    """
    if moments.n == 0:
        return None
    if responses == 1:
        return Response(moments, moments.means[0], (1.0,))
    numerator, denominator = moments.means[:2]
    if denominator <= 0:
        return None
    ratio = numerator / denominator
    return Response(moments, ratio, (1 / denominator, -ratio / denominator))


def _cubed(weights: tuple[float, ...]) -> tuple[float, ...]:
    """What multiplies each of `Moments.cubes` in the third power of the weighted sum."""
    if len(weights) == 1:
        return (weights[0] ** 3,)
    a, b = weights
    return (a**3, 3 * a**2 * b, 3 * a * b**2, b**3)
