"""Means and central moments of per-subject columns: what every estimator of means needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import float64
    from numpy.typing import NDArray

# By the number of responses: which three of them each of `cubes` multiplies.
_TRIPLES: Final = {1: ((0, 0, 0),), 2: ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1))}


@dataclass(frozen=True, slots=True)
class Moments:
    """Of `n` subjects' k columns.

    The columns, in this order: the response y; of a ratio then its denominator d; then, if there
    are covariates, the same response(s) before the exposure, and 1 where a subject has no history.

    `means`: k. `products`: sums of products of deviations from the means, the upper triangle row
    by row, k (k + 1) / 2. `cubes`: sums of third powers of the deviations of the responses: yyy;
    of a ratio yyy, yyd, ydd, ddd. All 0 of no subjects.
    """

    n: int
    means: tuple[float, ...]
    products: tuple[float, ...]
    cubes: tuple[float, ...]

    def product(self, left: int, right: int) -> float:
        """The sum of products of the deviations of two columns, in either order."""
        row, column = sorted((left, right))
        return self.products[row * len(self.means) - row * (row - 1) // 2 + column - row]


NOTHING: Final = Moments(0, (), (), ())


def merged(parts: Iterable[Moments]) -> Moments:
    """The moments of all subjects of `parts` together, in any order.

    Of disjoint sets of subjects, with the same columns. Chan, Golub and LeVeque (1979), eq. 1.5;
    Pebay (2008, SAND2008-6212), eq. III.1 and III.2, here for three different columns. Sums of
    powers are never formed, so values of 1e12 lose nothing. Of no parts: no subjects, no columns.
    """
    return reduce(_merged_pair, parts, NOTHING)


def _merged_pair(a: Moments, b: Moments) -> Moments:
    if a.n == 0 or b.n == 0:
        return b if a.n == 0 and b.means else a
    if len(a.means) != len(b.means) or len(a.cubes) != len(b.cubes):
        raise ValueError(
            f"moments of {len(a.means)} and of {len(b.means)} columns are not of one metric"
        )
    n = a.n + b.n
    shift = tuple(right - left for left, right in zip(a.means, b.means, strict=True))
    between = a.n * (b.n / n)
    return Moments(
        n=n,
        means=tuple(mean + step * (b.n / n) for mean, step in zip(a.means, shift, strict=True)),
        products=tuple(
            left + right + shift[row] * shift[column] * between
            for left, right, (row, column) in zip(
                a.products, b.products, _pairs(len(shift)), strict=True
            )
        ),
        cubes=tuple(
            left + right + _cube_between(a, b, shift, triple)
            for left, right, triple in zip(
                a.cubes, b.cubes, _TRIPLES[_responses(a.cubes)], strict=True
            )
        ),
    )


def _cube_between(
    a: Moments, b: Moments, shift: tuple[float, ...], triple: tuple[int, int, int]
) -> float:
    """What a product of three deviations gains by measuring it from the common means."""
    n = a.n + b.n
    i, j, k = triple
    own = shift[i] * shift[j] * shift[k] * (a.n * (b.n / n)) * ((a.n - b.n) / n)
    crossed = (
        shift[one] * ((a.n / n) * b.product(x, y) - (b.n / n) * a.product(x, y))
        for one, x, y in ((i, j, k), (j, i, k), (k, i, j))
    )
    return own + sum(crossed)


def moments_of(columns: Sequence[NDArray[float64]], responses: int = 1) -> Moments:
    """Of raw columns in the order of `Moments`, the first `responses` (1 or 2) of which are
    responses. In two passes, by deviations from the means."""
    n = len(columns[0])
    if n == 0:
        width = len(columns)
        zeros = (0.0,) * (width * (width + 1) // 2)
        return Moments(0, (0.0,) * width, zeros, (0.0,) * len(_TRIPLES[responses]))
    means = tuple(float(column.mean()) for column in columns)
    deviations = [column - mean for column, mean in zip(columns, means, strict=True)]
    return Moments(
        n=n,
        means=means,
        products=tuple(
            float(deviations[row].dot(deviations[column])) for row, column in _pairs(len(means))
        ),
        cubes=tuple(
            float((deviations[i] * deviations[j]).dot(deviations[k]))
            for i, j, k in _TRIPLES[responses]
        ),
    )


def _pairs(width: int) -> Iterable[tuple[int, int]]:
    return ((row, column) for row in range(width) for column in range(row, width))


def _responses(cubes: tuple[float, ...]) -> int:
    return 1 if len(cubes) == 1 else 2
