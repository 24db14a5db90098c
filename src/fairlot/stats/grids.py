"""The fixed grid on which totals are counted, so that quantiles need no rows."""

from collections import Counter
from collections.abc import Iterable
from math import exp2
from typing import Final

from fairlot.stats.sufficient import Grid

CELLS_A_DOUBLING: Final = 64


def upper_edge(sign: int, step: int) -> float:
    """Of the cell of x: sign -1, 0 or 1 of x, step = round(64 log2 |x|), 0 of zero.

    A cell holds |x| from 2^((step - 1/2) / 64) to 2^((step + 1/2) / 64), 1.1 % of its value; powers
    of two lie in the middle, so that no engine's rounding moves them. Zero has a cell of its own.
    """
    return sign * exp2((step + sign * 0.5) / CELLS_A_DOUBLING)


def lower_edge(upper: float) -> float:
    """Of the cell with this upper edge."""
    if upper == 0:
        return 0.0
    width = exp2(1 / CELLS_A_DOUBLING)
    return upper / width if upper > 0 else upper * width


def center(upper: float) -> float:
    """Of the cell with this upper edge: by powers, so that powers of two are their own."""
    width = exp2(0.5 / CELLS_A_DOUBLING)
    return upper / width if upper > 0 else upper * width


def merged_grids(grids: Iterable[Grid]) -> Grid:
    """All subjects together, of grids in any order."""
    counts: Counter[float] = Counter()
    for grid in grids:
        counts.update(grid.counts)
    return Grid(dict(sorted(counts.items())))
