"""The rows of sufficient statistics, found by metric, segment, arm and phase."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate, chain

from fairlot.stats.effects import Effect, NoEffect, effect_over_phases, merged_days
from fairlot.stats.grids import merged_grids
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.moments import NOTHING
from fairlot.stats.proportions import conversions_of, effect_of_conversions, spread_of_rate
from fairlot.stats.quantiles import (
    quantile_effect_over_phases,
    quantile_of,
    spread_of_quantile,
)
from fairlot.stats.results import ArmValue
from fairlot.stats.spreads import Spread, spread_of_responses, spread_over_phases
from fairlot.stats.sufficient import ArmDay, Grid, MetricDay, Phase, Sufficient

NO_SUBJECTS = MetricDay(NOTHING, 0, 0)
NO_TOTALS = Grid({})
_ADD_UP = frozenset({MetricKind.CONVERSION, MetricKind.COUNT, MetricKind.SUM})


@dataclass(frozen=True, slots=True)
class Measured:
    """The subjects of one arm in one phase: of a quantile by their `grid`."""

    day: MetricDay = NO_SUBJECTS
    grid: Grid = NO_TOTALS

    @property
    def n(self) -> int:
        return self.day.moments.n or sum(self.grid.counts.values())


Pair = tuple[Measured, Measured]
"""Control and treatment."""


class Table:
    """Of one metric and one segment value, whose `rows` these are; `days` are those of all."""

    def __init__(
        self,
        metric: Metric,
        phases: Sequence[Phase],
        days: Sequence[date],
        rows: Iterable[ArmDay],
        segment: str | None = None,
    ) -> None:
        self.metric = metric
        self.segment = segment
        self.phases = phases
        self.days = days
        self._rows: defaultdict[tuple[int, str], defaultdict[date, list[ArmDay]]]
        self._rows = defaultdict(lambda: defaultdict(list))
        for row in rows:
            self._rows[row.phase, row.variant_key][row.day].append(row)

    def measured(self, phase: int, variant: str) -> Measured:
        """Of all days."""
        return _together(self.metric, chain.from_iterable(self._rows[phase, variant].values()))

    def pairs(self, control: str, variant: str) -> list[Pair]:
        """Of the phases in which both are arms."""
        return [
            (self.measured(phase.number, control), self.measured(phase.number, variant))
            for phase in _shared(self.phases, control, variant)
        ]

    def pairs_by_day(self, control: str, variant: str) -> Iterator[tuple[date, list[Pair]]]:
        """What `pairs` was at the end of each exposure day, merged as it runs."""
        shared = [phase.number for phase in _shared(self.phases, control, variant)]
        running = {(phase, arm): Measured() for phase in shared for arm in (control, variant)}
        for day in self.days:
            for (phase, arm), before in running.items():
                rows = self._rows[phase, arm].get(day)
                if rows:
                    running[phase, arm] = _added(before, _together(self.metric, rows))
            yield day, [(running[phase, control], running[phase, variant]) for phase in shared]

    def sizes_by_day(self, control: str, variant: str) -> Iterator[tuple[date, int]]:
        """How many subjects `pairs_by_day` has each day, of both arms."""
        sizes: Counter[date] = Counter()
        for phase in _shared(self.phases, control, variant):
            for arm in (control, variant):
                for day, rows in self._rows[phase.number, arm].items():
                    sizes[day] += _together(self.metric, rows).n
        yield from zip(self.days, accumulate(sizes[day] for day in self.days), strict=True)

    @property
    def has_subjects(self) -> bool:
        rows = chain.from_iterable(days.values() for days in self._rows.values())
        return any(_together(self.metric, of_day).n for of_day in rows)

    def arm_value(self, variant: str) -> ArmValue:
        """Phases are weighted by all of their subjects, so that they add up as effects do."""
        weighted: list[tuple[float, int]] = []
        spreads: list[tuple[Spread | None, float]] = []
        n = converted = capped = 0
        total = 0.0
        for phase in self.phases:
            found = self.measured(phase.number, variant)
            value = value_of(self.metric, found)
            n, converted = n + found.n, converted + found.day.converted
            capped += found.day.capped
            if value is not None:
                weighted.append((value, self._subjects(phase)))
                spreads.append((spread_of(self.metric, found), self._subjects(phase)))
                total += value * found.n
        whole = sum(weight for _, weight in weighted)
        known = [(spread, weight) for spread, weight in spreads if spread is not None]
        spread = spread_over_phases(known) if known and len(known) == len(spreads) else None
        return ArmValue(
            variant=variant,
            segment=self.segment,
            n=n,
            value=sum(value * (weight / whole) for value, weight in weighted) if whole else None,
            variance=None if spread is None else spread.variance,
            skewness=None if spread is None else spread.skewness,
            total=total if weighted and self.metric.kind in _ADD_UP else None,
            converted=converted,
            capped=capped,
        )

    def _subjects(self, phase: Phase) -> int:
        return sum(self.measured(phase.number, arm.variant_key).n for arm in phase.arms)


def value_of(metric: Metric, measured: Measured) -> float | None:
    """The mean, the rate, the ratio or the quantile; None of nobody, or of no denominator."""
    if metric.kind is MetricKind.QUANTILE:
        return quantile_of(measured.grid, metric.quantile or 0.5)
    moments = measured.day.moments
    if moments.n == 0:
        return None
    if metric.responses == 1:
        return moments.means[0]
    return moments.means[0] / moments.means[1] if moments.means[1] else None


def spread_of(metric: Metric, measured: Measured) -> Spread | None:
    """Of conversions with the variance p (1 - p) of rates."""
    if metric.kind is MetricKind.QUANTILE:
        return spread_of_quantile(measured.grid, metric.quantile or 0.5)
    if metric.kind is MetricKind.CONVERSION:
        return spread_of_rate(measured.day.converted, measured.day.moments.n)
    return spread_of_responses(measured.day, metric.responses)


def effect_of_pairs(metric: Metric, pairs: Sequence[Pair], *, cuped: bool) -> Effect | NoEffect:
    """Of conversions in one phase without CUPED, with the variance p (1 - p) / n of rates."""
    if metric.kind is MetricKind.QUANTILE:
        grids = ((control.grid, treatment.grid) for control, treatment in pairs)
        return quantile_effect_over_phases(grids, metric.quantile or 0.5)
    days = [(control.day, treatment.day) for control, treatment in pairs]
    effect = effect_over_phases(days, responses=metric.responses, cuped=cuped)
    if isinstance(effect, NoEffect):
        return effect
    is_adjusted = effect.variance_reduction is not None
    if metric.kind is not MetricKind.CONVERSION or len(days) != 1 or is_adjusted:
        return effect
    found = effect_of_conversions(conversions_of(*days[0]))
    return found if isinstance(found, NoEffect) else replace(found, no_cuped=effect.no_cuped)


def tables_of(sufficient: Sufficient, metric: Metric) -> list[Table]:
    """One for each value of the segment that there is, the missing one first; one of all subjects
    without segments."""
    rows: defaultdict[str | None, list[ArmDay]] = defaultdict(list)
    for row in sufficient.rows:
        rows[row.segment].append(row)
    days = sorted({row.day for row in sufficient.rows})
    segments = sorted(rows, key=lambda each: (each is not None, each or "")) or [None]
    phases = sufficient.question.phases
    return [Table(metric, phases, days, rows[each], each) for each in segments]


def sizes_of(sufficient: Sufficient, metric: Metric) -> Counter[str]:
    """How many subjects each arm has, of all segments."""
    sizes: Counter[str] = Counter()
    for row in sufficient.rows:
        sizes[row.variant_key] += _together(metric, [row]).n
    return sizes


def _together(metric: Metric, rows: Iterable[ArmDay]) -> Measured:
    listed = list(rows)
    days = (row.metrics[metric.key] for row in listed if metric.key in row.metrics)
    grids = (row.grids[metric.key] for row in listed if metric.key in row.grids)
    return Measured(merged_days(days), merged_grids(grids))


def _added(left: Measured, right: Measured) -> Measured:
    return Measured(
        merged_days((left.day, right.day)),
        merged_grids((left.grid, right.grid)),
    )


def _shared(phases: Iterable[Phase], control: str, variant: str) -> list[Phase]:
    return [
        phase
        for phase in phases
        if {control, variant} <= {arm.variant_key for arm in phase.arms if arm.share > 0}
    ]
