"""p-values of several comparisons, corrected for there being several; in the given order."""

from collections.abc import Sequence


def bonferroni(p_values: Sequence[float]) -> tuple[float, ...]:
    """For the chance of one false finding among all, whatever their dependence."""
    return tuple(min(1.0, p * len(p_values)) for p in p_values)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """As Bonferroni, with more power; Holm (1979). It has no intervals of its own."""
    count, corrected, highest = len(p_values), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(count), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = highest
    return tuple(corrected)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """For the share of false ones among the findings; Benjamini and Hochberg (1995).

    Of independent or positively dependent comparisons.
    """
    count, corrected, lowest = len(p_values), [0.0] * len(p_values), 1.0
    ordered = sorted(range(count), key=p_values.__getitem__)
    for rank, index in reversed(tuple(enumerate(ordered, start=1))):
        lowest = min(lowest, p_values[index] * count / rank)
        corrected[index] = lowest
    return tuple(corrected)
