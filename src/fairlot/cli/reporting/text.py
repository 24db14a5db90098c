"""A result for the terminal: the verdict, the table, the intervals drawn, and what to know."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import click

from fairlot.cli.reporting.figures import count, share
from fairlot.cli.reporting.intervals import UNICODE, Strokes, drawn_intervals
from fairlot.cli.reporting.rows import MetricRow, rows_of
from fairlot.cli.reporting.words import (
    SEVERITIES,
    VERDICTS,
    Reading,
    by_severity,
    excluded_text,
    footnotes,
    in_order,
    lift_text,
    method_text,
    metric_line,
    observed_share,
    srm_text,
    title_of,
    variant_names,
    when_text,
    who_counts,
)
from fairlot.manifest.problems import printable
from fairlot.stats.findings import Severity
from fairlot.stats.results import (
    ArmSummary,
    ExperimentResult,
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
_Table = Sequence[tuple[MetricRow, tuple[str, ...]]]


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
    rows = [list(rows_of(result, metric, names)) for metric in metrics]
    tables = [_table(each, with_lifts=True) for each in rows]
    if _width(tables) > style.width:
        tables = [_table(each, with_lifts=False) for each in rows]
    if _width(tables) > style.width:
        names = {key: key for key in names}
        rows = [list(rows_of(result, metric, names)) for metric in metrics]
        tables = [_table(each, with_lifts=False) for each in rows]
    widths = _widths(tables)
    for number, (metric, table) in enumerate(zip(metrics, tables, strict=True)):
        title = style.paint(printable(metric.name), bold=True)
        lines = [f"{title}, {metric_line(metric)}"]
        if number == 0:
            lines.append(_aligned(_HEADS, widths))
        for row, cells in table:
            lines.append(_painted(_aligned(cells, widths), row, style))
            lines += [style.wrapped(printable(row.below), "    ")] if row.below else []
        yield "\n".join(lines)
    yield "\n".join(map(style.wrapped, footnotes(result)))
    yield drawn_intervals(metrics, names, style.width, style.strokes)


def _widths(tables: Sequence[_Table]) -> list[int]:
    cells = [cells for table in tables for _, cells in table]
    return [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]


def _width(tables: Sequence[_Table]) -> int:
    widths = _widths(tables)
    return sum(widths) + len(_BETWEEN) * (len(widths) - 1)


def _table(rows: Iterable[MetricRow], *, with_lifts: bool) -> _Table:
    return [(row, _cells(row, with_lifts=with_lifts)) for row in rows]


def _cells(row: MetricRow, *, with_lifts: bool) -> tuple[str, ...]:
    beginning = printable(f"  {row.name}"), row.subjects, row.value
    if row.shown is None:
        return *beginning, row.told, "", "", "", ""
    lift = lift_text(row.shown.lift, with_interval=with_lifts)
    return *beginning, row.difference, row.interval, row.p, lift, row.told


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if number in _LEFT else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return _BETWEEN.join(padded).rstrip()


def _painted(line: str, row: MetricRow, style: ReportStyle) -> str:
    """The reading, which ends the line, in its colour."""
    colour = None if row.reading is None else _READING_COLOURS.get(row.reading)
    if colour is None:
        return line
    return line.removesuffix(row.told) + style.paint(row.told, colour, bold=True)


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
    if result.excluded:
        lines.append(style.wrapped(printable(f"Left out: {excluded_text(result.excluded)}.")))
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
