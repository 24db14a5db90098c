"""A result as one HTML file, that needs no other file, no network and no JavaScript."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from fairlot.cli.reporting.charts import (
    UNITS,
    Daily,
    Series,
    Span,
    Strip,
    Tick,
    beyond_of,
    colour_of,
    daily_of,
    forest_ticks,
    series_of,
    strip_of,
)
from fairlot.cli.reporting.figures import (
    count,
    figures_of,
    share,
    typeset,
)
from fairlot.cli.reporting.numbers import Fact, facts_of
from fairlot.cli.reporting.rows import MetricRow, rows_of, with_segment
from fairlot.cli.reporting.scales import Scale, scale_of
from fairlot.cli.reporting.words import (
    SEVERITIES,
    VERDICTS,
    Reading,
    by_severity,
    excluded_text,
    footnotes,
    in_order,
    method_text,
    metric_line,
    observed_share,
    srm_text,
    srm_word,
    variant_names,
    when_text,
    who_counts,
)
from fairlot.stats.findings import Finding, Severity
from fairlot.stats.metrics import Role
from fairlot.stats.results import (
    ArmSummary,
    Comparison,
    ExperimentResult,
    Method,
    MetricResult,
)

_TONES: Final = {
    Reading.BETTER: "good",
    Reading.SAFE: "good",
    Reading.WORSE: "bad",
    Reading.HARMFUL: "bad",
}


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A variant in a metric; the control has no strip. `gate`: why there is no conclusion, or no
    comparison."""

    name: str
    subjects: str
    value: str
    difference: str = ""
    interval: str = ""
    made_of: str = ""
    common: str = ""
    p: str = ""
    reading: str = ""
    gate: str = ""
    tone: str = "plain"
    strip: Strip | None = None


@dataclass(frozen=True, slots=True)
class ForestMetric:
    name: str
    line: str
    rows: tuple[ForestRow, ...]
    ticks: tuple[Tick, ...]
    beyond: Span | None

    @property
    def is_drawn(self) -> bool:
        return any(row.strip is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class AllFigures:
    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    summary: str
    advice: str
    about: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Notices:
    severity: str
    title: str
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class ArmRow:
    name: str
    key: str
    is_control: bool
    subjects: str
    share: str
    due: str
    excluded: str
    colour: int


@dataclass(frozen=True, slots=True)
class ReportPage:
    """All that the template shows."""

    title: str
    key: str
    project: str
    verdict: str
    verdict_kind: str
    sentence: str
    when: str
    who: str
    method: str
    facts: tuple[Fact, ...]
    first: tuple[Notices, ...]
    then: tuple[Notices, ...]
    metrics: tuple[ForestMetric, ...]
    notes: tuple[str, ...]
    has_margin: bool
    has_common: bool
    looks: str
    series: tuple[Series, ...]
    other_series: tuple[Series, ...]
    figures: tuple[AllFigures, ...]
    arms: tuple[ArmRow, ...]
    srm: str
    excluded: str
    daily: Daily | None
    origin: tuple[Fact, ...]
    units: int = UNITS


def report_html(result: ExperimentResult) -> str:
    # Imported here: only this report needs it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fairlot.cli", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page_of(result))


def page_of(result: ExperimentResult) -> ReportPage:
    kind = result.verdict.kind
    ordered = in_order(result.metrics)
    names = variant_names(result)
    metrics = tuple(_metric(result, metric, names) for metric in ordered)
    first, others = _series(ordered, names)
    return ReportPage(
        title=result.experiment_name,
        key=result.experiment,
        project=result.project,
        verdict=VERDICTS[kind],
        verdict_kind=kind.value,
        sentence=typeset(result.verdict.sentence),
        when=when_text(result),
        who=who_counts(result),
        method=typeset(method_text(result)),
        facts=_summary(result),
        first=_notices(result, names, (Severity.BLOCKS, Severity.WARNS)),
        then=_notices(result, names, (Severity.NOTES,)),
        metrics=metrics,
        notes=tuple(map(typeset, footnotes(result))),
        has_margin=any(metric.beyond is not None for metric in metrics),
        has_common=any(row.strip and row.strip.common for each in metrics for row in each.rows),
        looks="daily looks" if result.method is Method.SEQUENTIAL else "planned looks",
        series=first,
        other_series=others,
        figures=tuple(_all_figures(ordered, names)),
        arms=tuple(_arm(number, arm, result) for number, arm in enumerate(result.arms)),
        srm=srm_text(result.srm),
        excluded=excluded_text(result.excluded),
        daily=daily_of(result.arms, names),
        origin=_origin(result),
    )


def _summary(result: ExperimentResult) -> tuple[Fact, ...]:
    total = sum(arm.exposed for arm in result.arms)
    return (
        Fact("Subjects", count(total)),
        Fact("Variants", count(len(result.arms))),
        Fact("Error rate", typeset(share(result.alpha))),
        Fact("Split", srm_word(result.srm)),
    )


def _origin(result: ExperimentResult) -> tuple[Fact, ...]:
    phases = (Fact("Phases", f"{result.phases}, put together by their sizes"),)
    segments = () if result.segment_by is None else (Fact("Split by", result.segment_by),)
    return (
        *(phases if result.phases > 1 else ()),
        *segments,
        Fact("Engine", result.engine),
        Fact("Query (SHA-256)", result.query_sha256 or "-"),
    )


def _metric(
    result: ExperimentResult, metric: MetricResult, names: Mapping[str, str]
) -> ForestMetric:
    scale = scale_of(metric)
    return ForestMetric(
        name=metric.name,
        line=typeset(metric_line(metric)),
        rows=tuple(_row(each, scale) for each in rows_of(result, metric, names)),
        ticks=forest_ticks(metric, figures_of(metric)),
        beyond=beyond_of(metric, scale),
    )


def _row(row: MetricRow, scale: Scale) -> ForestRow:
    return ForestRow(
        name=row.name,
        subjects=row.subjects,
        value=typeset(row.value),
        difference=typeset(row.difference),
        interval=typeset(row.interval),
        made_of=typeset(row.made_of),
        common=typeset(row.common),
        p=row.p,
        reading=row.told,
        gate=row.why,
        tone="plain" if row.reading is None else _TONES.get(row.reading, "plain"),
        strip=None if row.shown is None else strip_of(row.shown, scale),
    )


def _series(
    metrics: Sequence[MetricResult], names: Mapping[str, str]
) -> tuple[tuple[Series, ...], tuple[Series, ...]]:
    """Of the primary metrics and of the others; of all, where no primary one has any."""
    drawn = [
        (metric.role is Role.PRIMARY, series)
        for metric in metrics
        for comparison in metric.comparisons
        if (series := series_of(_minus(metric, comparison, names), comparison, figures_of(metric)))
    ]
    first = tuple(series for is_primary, series in drawn if is_primary)
    others = tuple(series for is_primary, series in drawn if not is_primary)
    return (first, others) if first else (others, ())


def _minus(metric: MetricResult, comparison: Comparison, names: Mapping[str, str]) -> str:
    return f"{_name(metric, comparison, names)} minus control"


def _name(metric: MetricResult, comparison: Comparison, names: Mapping[str, str]) -> str:
    name = with_segment(metric.name, comparison.segment)
    return f"{name}: {names.get(comparison.variant, comparison.variant)}"


def _all_figures(metrics: Sequence[MetricResult], names: Mapping[str, str]) -> Iterator[AllFigures]:
    for metric in metrics:
        arms = {(arm.variant, arm.segment): arm for arm in metric.arms}
        for each in metric.comparisons:
            facts = facts_of(metric, each, arms[each.variant, each.segment], figures_of(metric))
            told = tuple(Fact(fact.name, typeset(fact.text)) for fact in facts)
            yield AllFigures(_name(metric, each, names), told)


def _notices(
    result: ExperimentResult, names: Mapping[str, str], severities: Sequence[Severity]
) -> tuple[Notices, ...]:
    named = {metric.key: metric.name for metric in result.metrics}
    return tuple(
        Notices(
            severity.value, SEVERITIES[severity], tuple(_notice(each, named, names) for each in own)
        )
        for severity, own in by_severity(result.findings)
        if severity in severities
    )


def _notice(finding: Finding, metrics: Mapping[str, str], variants: Mapping[str, str]) -> Notice:
    metric, variant = finding.metric, finding.variant
    told = (metrics.get(metric or "", metric), variants.get(variant or "", variant))
    about = ", ".join(each for each in told if each is not None)
    written = msgspec.json.format(msgspec.json.encode(finding.evidence), indent=2)
    return Notice(
        finding.summary, finding.advice, about, written.decode() if finding.evidence else ""
    )


def _arm(number: int, arm: ArmSummary, result: ExperimentResult) -> ArmRow:
    return ArmRow(
        name=arm.name,
        key=arm.variant,
        is_control=arm.is_control,
        subjects=count(arm.exposed),
        share=typeset(share(observed_share(arm, result.arms))),
        due=typeset(share(arm.share)),
        excluded=count(sum(arm.excluded.values())),
        colour=colour_of(number),
    )
