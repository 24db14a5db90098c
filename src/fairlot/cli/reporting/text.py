"""A result for the terminal: the verdict, the table, the intervals drawn, and what to know."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import click

from fairlot.cli.reporting.figures import Figures, count, figures_of, probability, share
from fairlot.cli.reporting.intervals import UNICODE, Strokes, drawn_intervals
from fairlot.cli.reporting.words import (
    SEVERITIES,
    VERDICTS,
    Reading,
    by_severity,
    common_text,
    deciding_p,
    difference_text,
    excluded_text,
    footnotes,
    in_order,
    lift_text,
    method_text,
    metric_line,
    observed_share,
    reading_of,
    reading_text,
    srm_text,
    title_of,
    total_excluded,
    variant_names,
    when_text,
    who_counts,
)
from fairlot.manifest.problems import printable
from fairlot.stats.findings import Severity
from fairlot.stats.results import (
    ArmSummary,
    ArmValue,
    Comparison,
    ExperimentResult,
    MetricResult,
    VerdictKind,
)

NARROWEST: Final = 60
_VERDICT_COLOURS: Final = {
    VerdictKind.WINNER: "green",
    VerdictKind.LOSER: "red",
    VerdictKind.NO_DIFFERENCE: "cyan",
    VerdictKind.BLOCKED: "magenta",
    VerdictKind.PRELIMINARY: "yellow",
    VerdictKind.BY_SEGMENT: "cyan",
}
_READING_COLOURS: Final = {
    Reading.BETTER: "green",
    Reading.SAFE: "green",
    Reading.WORSE: "red",
    Reading.HARMFUL: "red",
}
_SEVERITY_COLOURS: Final = {
    Severity.BLOCKS: "magenta",
    Severity.WARNS: "yellow",
    Severity.NOTES: "cyan",
}
_HEADS: Final = ("", "subjects", "value", "difference", "interval", "p", "lift", "")
_LEFT: Final = frozenset({0, 7})
_BETWEEN: Final = "  "


class _Row(NamedTuple):
    """`below`: why there is no conclusion or comparison, or what all looks have in common."""

    cells: tuple[str, ...]
    reading: Reading | None
    below: str = ""


class ReportStyle:
    """Colours, or none; and the characters that intervals are drawn with."""

    def __init__(self, *, width: int, colour: bool, strokes: Strokes = UNICODE) -> None:
        self.width = max(width, NARROWEST)
        self.strokes = strokes
        self._colour = colour

    def paint(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        if not self._colour:
            return text
        return click.style(text, fg=colour, bold=bold or None)

    def wrapped(self, text: str, indent: str = "") -> str:
        return textwrap.fill(
            text,
            self.width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )


def report_text(result: ExperimentResult, style: ReportStyle) -> str:
    blocks = (
        _verdict(result, style),
        _heading(result, style),
        *_findings(result, style, (Severity.BLOCKS,)),
        *_metrics(result, style),
        _split(result, style),
        *_findings(result, style, (Severity.WARNS, Severity.NOTES)),
        _ending(result, style),
    )
    return "\n\n".join(block for block in blocks if block)


def _verdict(result: ExperimentResult, style: ReportStyle) -> str:
    kind = result.verdict.kind
    label = style.paint(VERDICTS[kind].upper(), _VERDICT_COLOURS[kind], bold=True)
    return f"{label}\n{style.wrapped(printable(result.verdict.sentence))}"


def _heading(result: ExperimentResult, style: ReportStyle) -> str:
    title = style.paint(printable(title_of(result)), bold=True)
    return f"{title}\n{style.wrapped(f'{when_text(result)}; {who_counts(result)}')}"


def _metrics(result: ExperimentResult, style: ReportStyle) -> Iterator[str]:
    metrics = in_order(result.metrics)
    if not metrics:
        return
    names = variant_names(result)
    tables = [_rows(result, metric, names, with_lifts=True) for metric in metrics]
    if _width(tables) > style.width:
        tables = [_rows(result, metric, names, with_lifts=False) for metric in metrics]
    if _width(tables) > style.width:
        names = {key: key for key in names}
        tables = [_rows(result, metric, names, with_lifts=False) for metric in metrics]
    widths = _widths(tables)
    for number, (metric, rows) in enumerate(zip(metrics, tables, strict=True)):
        title = style.paint(printable(metric.name), bold=True)
        lines = [f"{title}, {metric_line(metric)}"]
        if number == 0:
            lines.append(_aligned(_HEADS, widths))
        for row in rows:
            lines.append(_painted(_aligned(row.cells, widths), row, style))
            lines += [style.wrapped(row.below, "    ")] if row.below else []
        yield "\n".join(lines)
    yield "\n".join(map(style.wrapped, footnotes(result)))
    yield drawn_intervals(metrics, names, style.width, style.strokes)


def _widths(tables: Sequence[Sequence[_Row]]) -> list[int]:
    cells = [row.cells for rows in tables for row in rows]
    return [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]


def _width(tables: Sequence[Sequence[_Row]]) -> int:
    widths = _widths(tables)
    return sum(widths) + len(_BETWEEN) * (len(widths) - 1)


def _rows(
    result: ExperimentResult, metric: MetricResult, names: Mapping[str, str], *, with_lifts: bool
) -> list[_Row]:
    figures = figures_of(metric)
    compared = {(each.variant, each.segment): each for each in metric.comparisons}
    uncompared = {(each.variant, each.segment): each.sentence for each in metric.uncompared}
    found = []
    for arm in metric.arms:
        comparison = compared.get((arm.variant, arm.segment))
        if comparison is None:
            below = uncompared.get((arm.variant, arm.segment), "")
            found.append(_Row((*_of_arm(arm, names, figures), "", "", "", "", ""), None, below))
        else:
            reading = reading_of(result, metric, comparison)
            told = reading_text(result, metric, comparison)
            cells = _of_comparison(comparison, figures, told, with_lifts=with_lifts)
            below = printable(comparison.gate or "") or common_text(comparison, figures)
            found.append(_Row((*_of_arm(arm, names, figures), *cells), reading, below))
    return found


def _of_arm(arm: ArmValue, names: Mapping[str, str], figures: Figures) -> tuple[str, ...]:
    name = names.get(arm.variant, arm.variant)
    told = name if arm.segment is None else f"{name}, {arm.segment}"
    value = "-" if arm.value is None else figures.value(arm.value)
    return printable(f"  {told}"), count(arm.n), value


def _of_comparison(
    comparison: Comparison, figures: Figures, told: str, *, with_lifts: bool
) -> tuple[str, ...]:
    if comparison.is_gated:
        return told, "", "", "", ""
    return (
        difference_text(comparison, figures),
        figures.interval(comparison.interval),
        probability(deciding_p(comparison)),
        lift_text(comparison.lift, with_interval=with_lifts),
        told,
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if number in _LEFT else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return _BETWEEN.join(padded).rstrip()


def _painted(line: str, row: _Row, style: ReportStyle) -> str:
    """The reading, which ends the line, in its colour."""
    colour = None if row.reading is None else _READING_COLOURS.get(row.reading)
    if colour is None:
        return line
    return line.removesuffix(row.cells[-1]) + style.paint(row.cells[-1], colour, bold=True)


def _split(result: ExperimentResult, style: ReportStyle) -> str:
    heads = ("", "subjects", "share", "due", "left out")
    rows = [
        (
            printable(f"  {_full_name(arm)}"),
            count(arm.exposed),
            share(observed_share(arm, result.arms)),
            share(arm.share),
            count(sum(arm.excluded.values())),
        )
        for arm in result.arms
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [style.paint("Who was in it", bold=True), srm_text(result.srm), ""]
    lines += [_aligned(row, widths) for row in (heads, *rows)]
    if any(arm.excluded for arm in result.arms):
        excluded = excluded_text(total_excluded(result.arms))
        lines.append(style.wrapped(printable(f"Left out: {excluded}.")))
    return "\n".join(lines)


def _full_name(arm: ArmSummary) -> str:
    return arm.variant if arm.name in {"", arm.variant} else f"{arm.name} ({arm.variant})"


def _findings(
    result: ExperimentResult, style: ReportStyle, severities: Sequence[Severity]
) -> Iterator[str]:
    for severity, findings in by_severity(result.findings):
        if severity in severities:
            title = style.paint(SEVERITIES[severity], _SEVERITY_COLOURS[severity], bold=True)
            texts = [printable(f"{each.summary} {each.advice}") for each in findings]
            yield "\n".join([title, *(style.wrapped(text, "  ") for text in texts)])


def _ending(result: ExperimentResult, style: ReportStyle) -> str:
    phases = f" {result.phases} phases, put together by their sizes." if result.phases > 1 else ""
    return style.wrapped(method_text(result) + phases)
