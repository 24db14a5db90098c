"""Means and central moments of per-subject columns: what every estimator of means needs."""

from dataclasses import dataclass


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
