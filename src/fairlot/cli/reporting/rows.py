"""The variants of a metric as both reports print them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fairlot.cli.reporting.figures import Figures, count, figures_of, probability
from fairlot.cli.reporting.words import (
    Reading,
    common_text,
    deciding_p,
    difference_text,
    made_of_text,
    reading_of,
    reading_text,
)
from fairlot.stats.results import ArmValue, Comparison, ExperimentResult, MetricResult


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A variant (with its segment) in a metric. Of the control `comparison` is None, and all that
    a comparison says is empty; `why` says why there is no conclusion, or no comparison, and then
    there are no figures either."""

    name: str
    subjects: str
    value: str
    comparison: Comparison | None = None
    difference: str = ""
    interval: str = ""
    made_of: str = ""
    common: str = ""
    p: str = ""
    reading: Reading | None = None
    told: str = ""
    why: str = ""

    @property
    def below(self) -> str:
        """What there is to say under its figures."""
        return self.why or "; ".join(text for text in (self.made_of, self.common) if text)

    @property
    def shown(self) -> Comparison | None:
        """The comparison, where its figures are to be seen."""
        return None if self.comparison is None or self.comparison.is_gated else self.comparison


def rows_of(
    result: ExperimentResult, metric: MetricResult, names: Mapping[str, str]
) -> Iterator[MetricRow]:
    """`names` are by variant."""
    figures = figures_of(metric)
    compared = {(each.variant, each.segment): each for each in metric.comparisons}
    uncompared = {(each.variant, each.segment): each.sentence for each in metric.uncompared}
    for arm in metric.arms:
        own = arm.variant, arm.segment
        row = replace(_of_arm(arm, names, figures), why=uncompared.get(own, ""))
        comparison = compared.get(own)
        yield row if comparison is None else _compared(row, result, metric, comparison, figures)


def with_segment(name: str, segment: str | None) -> str:
    return name if segment is None else f"{name}, {segment}"


def _of_arm(arm: ArmValue, names: Mapping[str, str], figures: Figures) -> MetricRow:
    name = with_segment(names.get(arm.variant, arm.variant), arm.segment)
    value = "-" if arm.value is None else figures.value(arm.value)
    return MetricRow(name, count(arm.n), value)


def _compared(
    row: MetricRow,
    result: ExperimentResult,
    metric: MetricResult,
    comparison: Comparison,
    figures: Figures,
) -> MetricRow:
    reading = reading_of(result, metric, comparison)
    told = reading_text(result, metric, comparison)
    row = replace(row, comparison=comparison, reading=reading, told=told)
    if comparison.is_gated:
        return replace(row, why=comparison.gate or told)
    return replace(
        row,
        difference=difference_text(comparison, figures),
        interval=figures.interval(comparison.interval),
        made_of=made_of_text(comparison, figures),
        common=common_text(comparison, figures),
        p=probability(deciding_p(comparison)),
    )
