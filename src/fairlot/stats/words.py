"""Numbers as sentences write them."""

from collections.abc import Mapping
from typing import Final

from fairlot.stats.metrics import MetricKind
from fairlot.stats.results import Comparison, ValuesAre

_SIGNIFICANT: Final = 4
_VALUES_ARE: Final[Mapping[ValuesAre, str]] = {
    ValuesAre.ADJUSTED: "adjusted",
    ValuesAre.OF_SHARED_PHASES: "in the phases in which both were",
    ValuesAre.OF_LAST_LOOK: "at the last look",
}


def value_text(value: float, kind: MetricKind) -> str:
    """A rate is a percentage, all else a number of four significant digits."""
    return f"{value * 100:.2f} %" if kind is MetricKind.CONVERSION else number_text(value)


def change_text(difference: float, kind: MetricKind) -> str:
    """With its sign; of a rate in percentage points."""
    if kind is MetricKind.CONVERSION:
        return f"{difference * 100:+.2f} points"
    return f"{'+' if difference >= 0 else '-'}{number_text(abs(difference))}"


def number_text(value: float) -> str:
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{_SIGNIFICANT - 1}e}"
    whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
    return f"{value:,.{max(_SIGNIFICANT - whole, 0)}f}" if whole else f"{value:.{_SIGNIFICANT}g}"


def values_are_text(comparison: Comparison) -> str:
    """`adjusted, in the phases in which both were`; empty where they are those of the arms."""
    return ", ".join(_VALUES_ARE[each] for each in comparison.values_are)


def p_text(p: float) -> str:
    return "p under .0001" if p < 0.0001 else f"p {p:.4f}".replace("0.", ".", 1)


def listed(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
