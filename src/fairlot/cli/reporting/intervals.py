"""Intervals drawn with characters: each metric on a scale of its own, zero above zero."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlot.cli.reporting.figures import Figures, figures_of
from fairlot.cli.reporting.rows import with_segment
from fairlot.cli.reporting.scales import Scale, scale_of
from fairlot.cli.reporting.words import at_looks_text
from fairlot.manifest.problems import printable
from fairlot.stats.results import Comparison, MetricResult

_LONGEST_NAME: Final = 28
_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Strokes:
    """One character each; `beyond` where the interval leaves the scale."""

    left: str
    line: str
    point: str
    right: str
    zero: str


UNICODE: Final = Strokes("├", "─", "●", "┤", "┊")
ASCII: Final = Strokes("[", "-", "o", "]", ":")


def drawn_intervals(
    metrics: Sequence[MetricResult], names: Mapping[str, str], width: int, strokes: Strokes
) -> str:
    """What is not gated, of each metric; empty when that is nothing. `names` are by variant."""
    told = [_name(each, names) for metric in metrics for each in _shown(metric)]
    if not told:
        return ""
    beside = min(max(map(len, told)), _LONGEST_NAME)
    room = width - len(_INDENT) - beside - 2
    blocks = [
        _metric(metric, names, (beside, room), strokes) for metric in metrics if _shown(metric)
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _shown(metric: MetricResult) -> list[Comparison]:
    return [each for each in metric.comparisons if not each.is_gated]


def _name(comparison: Comparison, names: Mapping[str, str]) -> str:
    name = names.get(comparison.variant, comparison.variant)
    return printable(with_segment(name, comparison.segment))


def _metric(
    metric: MetricResult, names: Mapping[str, str], widths: tuple[int, int], strokes: Strokes
) -> Iterator[str]:
    beside, room = widths
    figures = figures_of(metric)
    scale = scale_of(metric)
    yield f"{printable(metric.name)}, difference from control{at_looks_text(metric)}"
    for each in _shown(metric):
        name = _name(each, names)
        shown = name if len(name) <= beside else name[: beside - 3] + "..."
        yield f"{_INDENT}{shown:<{beside}}  {_line(each, scale, room, strokes)}".rstrip()
    yield f"{_INDENT}{'':<{beside}}  {_axis(scale, figures, room)}".rstrip()


def _line(comparison: Comparison, scale: Scale, room: int, strokes: Strokes) -> str:
    def column(value: float) -> int:
        return round(scale.position(value) * (room - 1))

    cells = [" "] * room
    low, high = column(comparison.interval.low), column(comparison.interval.high)
    cells[low : high + 1] = strokes.line * (high - low + 1)
    cells[column(0)] = strokes.zero
    cells[low], cells[high] = strokes.left, strokes.right
    cells[column(comparison.estimate)] = strokes.point
    return "".join(cells)


def _axis(scale: Scale, figures: Figures, room: int) -> str:
    """The ends of the scale, and zero."""
    left, right = figures.tick(scale.low), figures.tick(scale.high)
    middle = round(scale.position(0) * (room - 1))
    line = left.ljust(middle) + "0" if len(left) < middle else left
    return line.ljust(room - len(right)) + right if len(line) + len(right) < room else line
