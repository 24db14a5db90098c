"""From sufficient statistics to comparisons: every metric, every variant, every segment value."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import msgspec

from fairlot.stats.best import Chance, chances_of
from fairlot.stats.comparing import NO_LOOKS, compare
from fairlot.stats.effects import NoEffect
from fairlot.stats.exposed import arms_of, control_of
from fairlot.stats.looks import Taken, take_looks
from fairlot.stats.methods import Level
from fairlot.stats.metrics import Metric, Role
from fairlot.stats.multiplicity import benjamini_hochberg, holm
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import ArmValue, Comparison, Interval, Look, MetricResult, Uncompared
from fairlot.stats.sequences import SMALLEST_ARM
from fairlot.stats.sufficient import Phase, Question, Sufficient, View
from fairlot.stats.tables import Table, sizes_of, tables_of

LookName = tuple[str, str]
"""A metric and a variant."""
SO_FAR: Final = "preliminary: subjects whose window is not over yet count too"
_UNCOMPARED: Final[Mapping[NoEffect, str]] = {
    NoEffect.NO_SUBJECTS: "not compared: one of the two has no subjects that count",
    NoEffect.ONE_SUBJECT: "not compared: one of the two has a single subject, which has no spread",
    NoEffect.NO_DENOMINATOR: "not compared: the denominator of one of the two is 0",
    NoEffect.NO_VARIANCE: "not compared: within both, all subjects have the same value, so nothing"
    " says what chance does",
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was fixed of an analysis when its first result was asked for: the plan, the metrics that
    the verdict rests on and how many comparisons those make; and the metrics whose cap is final:
    only of those are there looks. `looks` are those that are stored, of closes until the moment
    that is asked about; `looked_until` is the newest close of which one is stored, also after it.
    """

    plan: AnalysisPlan
    primaries: tuple[str, ...]
    comparisons: int
    settled: Collection[str]
    looks: Mapping[LookName, Sequence[Look]]
    looked_until: Mapping[LookName, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `taken` has of new looks is to be stored; what stands there then counts."""

    metrics: tuple[MetricResult, ...]
    taken: Mapping[LookName, Taken]

    @property
    def new_looks(self) -> dict[LookName, tuple[Look, ...]]:
        return {name: each.new for name, each in self.taken.items() if each.new}

    @property
    def comparisons(self) -> list[Comparison]:
        return [each for metric in self.metrics for each in metric.comparisons]


def primaries_of(metrics: Sequence[Metric]) -> tuple[str, ...]:
    return tuple(each.key for each in metrics if each.role is Role.PRIMARY)


def comparisons_of(primaries: Sequence[str], phases: tuple[Phase, ...]) -> int:
    """How many share alpha: each primary metric, of each variant that there has been."""
    return len(primaries) * sum(not arm.is_control for arm in arms_of(phases))


def analyse(sufficient: Sufficient, fixed: Fixed) -> Analysis:
    """Primary metrics: Bonferroni over arms and primaries, in intervals and conclusions alike.
    Others, and all of segments: Benjamini-Hochberg over their p-values. Guardrails: no correction.

    Of no subjects, or where nothing varies, a variant is among the `uncompared`.
    """
    taken: dict[LookName, Taken] = {}
    results = []
    for metric in sufficient.question.metrics:
        level = _level(metric, fixed, sufficient.question)
        results.append(_metric_result(sufficient, level, fixed, taken))
    is_split = sufficient.question.segment_by is not None
    return Analysis(_corrected(results, fixed.plan.alpha, is_split=is_split), taken)


def matured_enough(sufficient: Sufficient) -> bool:
    """Whether each arm that is still drawn has 100 subjects in each primary metric."""
    question = sufficient.question
    drawn = [arm.variant_key for arm in question.phases[-1].arms if arm.share > 0]
    keys = primaries_of(question.metrics)
    sizes = [sizes_of(sufficient, each) for each in question.metrics if each.key in keys]
    return all(of_metric[variant] >= SMALLEST_ARM for of_metric in sizes for variant in drawn)


def _level(metric: Metric, fixed: Fixed, question: Question) -> Level:
    """A metric that became primary after the first result is a secondary one; a variant that
    came later is one comparison more."""
    comparisons = max(fixed.comparisons, comparisons_of(fixed.primaries, question.phases), 1)
    is_primary = metric.key in fixed.primaries
    role = metric.role
    if role is not Role.GUARDRAIL:
        role = Role.PRIMARY if is_primary else Role.SECONDARY
    alpha = fixed.plan.alpha / (comparisons if role is Role.PRIMARY else 1)
    return Level(fixed.plan, replace(metric, role=role), alpha)


def _metric_result(
    sufficient: Sufficient,
    level: Level,
    fixed: Fixed,
    all_taken: dict[LookName, Taken],
) -> MetricResult:
    metric = level.metric
    variants = [arm.variant_key for arm in arms_of(sufficient.question.phases)]
    control = control_of(sufficient.question.phases)
    tables = _with_subjects(tables_of(sufficient, metric))
    comparisons: list[Comparison] = []
    uncompared: list[Uncompared] = []
    for table in tables:
        for variant in variants:
            if control is None or variant == control:
                continue
            taken = _looks(sufficient, level, fixed, table, (control, variant))
            if taken.looks:
                all_taken[metric.key, variant] = taken
            gate = None if sufficient.question.view is View.MATURED else SO_FAR
            compared = compare(level, table, (control, variant), taken, gate=gate)
            if isinstance(compared, NoEffect):
                uncompared.append(_uncompared(variant, table.segment, compared))
            else:
                comparisons.append(compared)
    values = [table.arm_value(variant) for table in tables for variant in variants]
    chances: Mapping[str, Chance] = {}
    if control is not None and sufficient.question.segment_by is None:
        others = [variant for variant in variants if variant != control]
        chances = chances_of(level, tables[0], control, others)
    return MetricResult(
        key=metric.key,
        name=metric.name,
        kind=metric.kind,
        role=metric.role,
        direction=metric.direction,
        window_ms=metric.window_ms,
        cap=sufficient.caps.get(metric.key),
        minimum_effect=metric.minimum_effect,
        margin=metric.margin,
        arms=tuple(_with_chance(each, chances.get(each.variant)) for each in values),
        comparisons=tuple(comparisons),
        uncompared=tuple(uncompared),
    )


def _with_subjects(tables: Sequence[Table]) -> Sequence[Table]:
    """Without the segment values of which no subject counts yet; all of them where none does."""
    return [table for table in tables if table.has_subjects] or tables


def _with_chance(arm: ArmValue, chance: Chance | None) -> ArmValue:
    if chance is None:
        return arm
    return msgspec.structs.replace(
        arm, probability_best=chance.probability_best, expected_loss=chance.expected_loss
    )


def _uncompared(variant: str, segment: str | None, reason: NoEffect) -> Uncompared:
    return Uncompared(variant=variant, segment=segment, reason=reason, sentence=_UNCOMPARED[reason])


def _looks(
    sufficient: Sufficient, level: Level, fixed: Fixed, table: Table, arms: tuple[str, str]
) -> Taken:
    """Of all subjects who have matured only."""
    question = sufficient.question
    if question.segment_by is not None or question.view is not View.MATURED:
        return NO_LOOKS
    name = (level.metric.key, arms[1])
    if level.metric.key not in fixed.settled:
        return NO_LOOKS
    stored, until = fixed.looks.get(name, ()), fixed.looked_until.get(name)
    return take_looks(level, table, question, arms, stored, looked_until=until)


def _corrected(
    results: Sequence[MetricResult], alpha: float, *, is_split: bool
) -> tuple[MetricResult, ...]:
    """With the corrected p-values, and what is significant by them."""
    deciding = [
        each for result in results if _decides(result, is_split) for each in result.comparisons
    ]
    others = [
        each
        for result in results
        if not _decides(result, is_split) and result.role is not Role.GUARDRAIL
        for each in result.comparisons
    ]
    by_holm = dict(zip(map(id, deciding), holm([each.p for each in deciding]), strict=True))
    by_bh = dict(zip(map(id, others), benjamini_hochberg([each.p for each in others]), strict=True))
    return tuple(
        msgspec.structs.replace(
            result,
            comparisons=tuple(
                _concluded(each, by_holm.get(id(each)), by_bh.get(id(each)), alpha)
                for each in result.comparisons
            ),
        )
        for result in results
    )


def _decides(result: MetricResult, is_split: bool) -> bool:
    return result.role is Role.PRIMARY and not is_split


def _concluded(
    comparison: Comparison, p_holm: float | None, p_bh: float | None, alpha: float
) -> Comparison:
    if p_bh is not None:
        is_significant = p_bh < alpha
    else:
        is_significant = _leaves_out_zero(comparison.interval) or (
            comparison.running is not None and _leaves_out_zero(comparison.running)
        )
    return msgspec.structs.replace(
        comparison,
        p_holm=p_holm,
        p_bh=p_bh,
        is_significant=is_significant and not (comparison.is_gated or comparison.disagrees),
    )


def _leaves_out_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0
