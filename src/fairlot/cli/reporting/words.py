"""What a result is called, by both reports alike."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final

from fairlot.cli.reporting.figures import (
    Figures,
    count,
    day_text,
    figures_of,
    length_text,
    level,
    moment_text,
    probability,
    share,
    signed_share,
)
from fairlot.stats.findings import Finding, Severity
from fairlot.stats.metrics import Direction, Role
from fairlot.stats.results import (
    ArmSummary,
    Comparison,
    ExperimentResult,
    GuardrailState,
    Interval,
    Lift,
    Method,
    MetricResult,
    SrmResult,
    VerdictKind,
)
from fairlot.stats.sufficient import Exclusion, View
from fairlot.stats.words import listed, values_are_text

SRM_BLOCKS: Final = 0.001
SRM_WARNS: Final = 0.01


class Reading(StrEnum):
    """What the interval of a comparison says."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "undecided"
    TOO_FEW = "too few yet"
    VOID = "no conclusion"
    SAFE = "safe"
    HARMFUL = "harmful"
    INCONCLUSIVE = "inconclusive"


VERDICTS: Final = {
    VerdictKind.WINNER: "Winner",
    VerdictKind.LOSER: "Loser",
    VerdictKind.NO_DIFFERENCE: "No difference yet",
    VerdictKind.BLOCKED: "Blocked",
    VerdictKind.PRELIMINARY: "Preliminary",
    VerdictKind.BY_SEGMENT: "By segment",
}
ROLES: Final = {
    Role.PRIMARY: "Primary",
    Role.GUARDRAIL: "Guardrail",
    Role.SECONDARY: "Secondary",
}
SEVERITIES: Final = {
    Severity.BLOCKS: "Blocks the verdict",
    Severity.WARNS: "Read with care",
    Severity.NOTES: "Good to know",
}
METHODS: Final = {
    Method.SEQUENTIAL: "a confidence sequence, which may be looked at every day",
    Method.GROUP_SEQUENTIAL: "a group sequential test, which holds at its planned looks",
    Method.FIXED: "a fixed-horizon test, which holds once, at the planned end",
}
_LOOKS: Final = {
    Method.SEQUENTIAL: "p is the smallest of all looks, the interval that of this moment; where all"
    " looks have less in common, that stands with it. Variants differ when either leaves out zero.",
    Method.GROUP_SEQUENTIAL: "p is the smallest of all planned looks, difference and interval are"
    " those of the last of them, and subjects and values those of this moment; where all planned"
    " looks have less in common, that stands with it. Variants differ when either leaves out zero.",
    Method.FIXED: "Difference, interval and p are those of the planned look, and subjects and"
    " values those of this moment.",
}
EXCLUSIONS: Final = {
    Exclusion.SEVERAL_VARIANTS: "seen in several variants",
    Exclusion.OTHER_REASON: "not drawn at random",
    Exclusion.SWITCHED: "switched by a login",
    Exclusion.EXCLUDED_ON_LOGIN: "left out on login",
    Exclusion.UNKNOWN_VARIANT: "of a variant that is not there",
    Exclusion.PUBLIC: "only seen in public events",
}
_GUARDRAILS: Final = {
    GuardrailState.SAFE: Reading.SAFE,
    GuardrailState.HARMFUL: Reading.HARMFUL,
    GuardrailState.INCONCLUSIVE: Reading.INCONCLUSIVE,
}
ADJUSTED: Final = "*"
_SEVERITY_ORDER: Final = tuple(SEVERITIES)
_ROLE_ORDER: Final = tuple(ROLES)


def reading_of(result: ExperimentResult, metric: MetricResult, comparison: Comparison) -> Reading:
    """Nothing is concluded from a result that a finding blocks, or that is preliminary."""
    if comparison.is_gated:
        return Reading.TOO_FEW
    if _is_without_conclusion(result):
        return Reading.VOID
    if comparison.guardrail is not None:
        return _GUARDRAILS[comparison.guardrail]
    if not comparison.is_significant:
        return Reading.OPEN
    interval = _deciding(comparison)
    is_good = (interval.low + interval.high > 0) == (metric.direction is Direction.INCREASE)
    return Reading.BETTER if is_good else Reading.WORSE


def reading_text(result: ExperimentResult, metric: MetricResult, comparison: Comparison) -> str:
    """With a word on what it rests, where the interval of today alone would not tell."""
    reading = reading_of(result, metric, comparison)
    rests_on_looks = _deciding(comparison) is not comparison.interval
    if reading in {Reading.BETTER, Reading.WORSE} and rests_on_looks:
        return f"{reading.value} (all looks)"
    return reading.value


def _is_without_conclusion(result: ExperimentResult) -> bool:
    blocks = any(each.severity is Severity.BLOCKS for each in result.findings)
    return blocks or result.verdict.kind is VerdictKind.PRELIMINARY


def _deciding(comparison: Comparison) -> Interval:
    """That of all looks where the one of today holds zero."""
    interval, running = comparison.interval, comparison.running
    return running if running is not None and interval.low <= 0 <= interval.high else interval


def difference_text(comparison: Comparison, figures: Figures) -> str:
    """With a mark where it is adjusted, and so is not that of the values beside it."""
    is_adjusted = comparison.variance_reduction is not None
    return figures.difference(comparison.estimate) + (ADJUSTED if is_adjusted else "")


def made_of_text(comparison: Comparison, figures: Figures) -> str:
    """The values that the difference is made of, where those are not the ones of the arms."""
    control, treatment = comparison.control, comparison.treatment
    if control is None or treatment is None or not comparison.values_are:
        return ""
    are = values_are_text(comparison)
    return f"{figures.value(treatment.value)} against {figures.value(control.value)}, {are}"


def common_text(comparison: Comparison, figures: Figures) -> str:
    """What all looks have in common, where that is less than the interval."""
    interval, running = comparison.interval, comparison.running
    if running is None or comparison.is_gated:
        return ""
    low, high = max(interval.low, running.low), min(interval.high, running.high)
    is_less = figures.interval(Interval(low=low, high=high)) != figures.interval(interval)
    return f"all looks: {figures.interval(running)}" if is_less else ""


def footnotes(result: ExperimentResult) -> Iterator[str]:
    """What the table does not say: why rows do not add up, and of when its figures are."""
    shown = [each for metric in result.metrics for each in metric.comparisons if not each.is_gated]
    yield from chances_texts(result)
    taken_off = [each.variance_reduction for each in shown if each.variance_reduction is not None]
    if taken_off:
        ends = dict.fromkeys((share(min(taken_off)), share(max(taken_off))))
        yield (
            f"{ADJUSTED} Adjusted by CUPED for what subjects did before their exposure, so it is"
            " not just the difference of the values; that took"
            f" {' to '.join(ends)} off the variance."
        )
    if any(each.p_bh is not None for each in shown):
        yield (
            "A corrected p is by Benjamini and Hochberg, over all that decides nothing; the"
            " intervals beside it are not corrected."
        )
    if any(each.running is not None for each in shown):
        yield _LOOKS[result.method]


def chances_texts(result: ExperimentResult) -> Iterator[str]:
    """Of each primary metric, how probable it is that each arm is the best, and what choosing it
    loses; nothing of a result that says nothing."""
    names = variant_names(result)
    view = "Bayesian view"
    if result.method is not Method.SEQUENTIAL:
        view = "Bayesian view of this moment"
    for metric in result.metrics:
        is_shown = any(not each.is_gated for each in metric.comparisons)
        if metric.role is not Role.PRIMARY or not is_shown or _is_without_conclusion(result):
            continue
        figures = figures_of(metric)
        told = [
            f"{names.get(arm.variant, arm.variant)} {probability(arm.probability_best)}"
            f" ({figures.loss(arm.expected_loss)})"
            for arm in metric.arms
            if arm.probability_best is not None and arm.expected_loss is not None
        ]
        if told:
            yield (
                f"{metric.name}, {view}, no guarantee when peeking: how probably each is the"
                f" best of all, and what choosing it loses on average: {', '.join(told)}."
            )


def variant_names(result: ExperimentResult) -> dict[str, str]:
    """By key; of variants with one name the keys."""
    counts = Counter(arm.name for arm in result.arms)
    return {
        arm.variant: arm.name if arm.name and counts[arm.name] == 1 else arm.variant
        for arm in result.arms
    }


def in_order(metrics: Sequence[MetricResult]) -> list[MetricResult]:
    """Primary metrics, guardrails, secondary ones."""
    return sorted(metrics, key=lambda metric: _ROLE_ORDER.index(metric.role))


def by_severity(findings: Sequence[Finding]) -> list[tuple[Severity, list[Finding]]]:
    ordered = sorted(findings, key=lambda each: _SEVERITY_ORDER.index(each.severity))
    return [(severity, list(own)) for severity, own in groupby(ordered, lambda each: each.severity)]


def title_of(result: ExperimentResult) -> str:
    """Its name, and its key where that is another one."""
    if result.experiment_name == result.experiment:
        return result.experiment
    return f"{result.experiment_name} ({result.experiment})"


def who_counts(result: ExperimentResult) -> str:
    windows = {metric.window_ms for metric in result.metrics}
    if result.view is View.SO_FAR:
        return "all subjects so far, also those whose time to convert is not over"
    if len(windows) == 1:
        return f"subjects whose {length_text(windows.pop())} after the exposure are over"
    return "subjects whose time to convert is over"


def when_text(result: ExperimentResult) -> str:
    until = moment_text(result.as_of_ms, result.time_zone)
    if result.started_at_ms is None:
        return f"as of {until} ({result.time_zone})"
    since = moment_text(result.started_at_ms, result.time_zone)
    return f"{since} to {until} ({result.time_zone})"


def method_text(result: ExperimentResult) -> str:
    text = f"Intervals are by {METHODS[result.method]}, at an error rate of {share(result.alpha)}"
    if result.method is Method.SEQUENTIAL:
        return f"{text}; planned for {count(result.planned_size)} subjects in both arms."
    return f"{text}."


def metric_line(metric: MetricResult) -> str:
    """What is measured, after its name: role, window, direction, interval level, cap."""
    parts = [ROLES[metric.role].lower(), f"within {length_text(metric.window_ms)}"]
    if metric.direction is Direction.DECREASE:
        parts.append("less is better")
    levels = sorted({each.alpha for each in metric.comparisons}, reverse=True)
    if levels:
        parts.append(f"{' and '.join(map(level, levels))} intervals{at_looks_text(metric)}")
    if any(each.p_bh is not None and not each.is_gated for each in metric.comparisons):
        parts.append("p corrected")
    return ", ".join(parts)


def at_looks_text(metric: MetricResult) -> str:
    """` at the planned look of 22 Oct`, which differs by variant; empty of daily ones."""
    looks = [each.planned_look for each in metric.comparisons]
    days = sorted({look.day for look in looks if look is not None})
    if not days:
        return ""
    looks_are = "look" if len(days) == 1 else "looks"
    return f" at the planned {looks_are} of {listed([day_text(day) for day in days])}"


def deciding_p(comparison: Comparison) -> float:
    """What the word beside it rests on."""
    return comparison.p if comparison.p_bh is None else comparison.p_bh


def lift_text(lift: Lift | None, *, with_interval: bool = True) -> str:
    """`+25.7 % (+6.5 to +48.6)`; a dash where there is none."""
    if lift is None or lift.estimate is None or lift.hidden_because is not None:
        return "-"
    text = signed_share(lift.estimate)
    if lift.interval is None or not with_interval:
        return text
    low, high = signed_share(lift.interval.low), signed_share(lift.interval.high)
    return f"{text} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def srm_text(srm: SrmResult | None) -> str:
    """Whether the sizes of the arms are as they should be."""
    if srm is None:
        return "Nobody was seen, so there is no split to check."
    if srm.chi_square is None:
        return "The split is not what was drawn: subjects are in an arm that nobody is drawn into."
    figures = f"p {probability(srm.p)}, by chi-square {probability(srm.chi_square_p)}"
    if srm.p < SRM_BLOCKS:
        return f"The split is not what was drawn: {figures}."
    if srm.p < SRM_WARNS:
        return f"The split is unlikely, look at it: {figures}."
    if srm.chi_square_p < SRM_WARNS:
        return (
            f"The split is unlikely by the chi-square, p {probability(srm.chi_square_p)}, which"
            f" holds at one look only; at every look p is {probability(srm.p)}."
        )
    return f"The split is as expected: {figures}."


def srm_word(srm: SrmResult | None) -> str:
    if srm is None:
        return "nobody yet"
    if srm.p < SRM_BLOCKS:
        return "not as drawn"
    return "unlikely" if min(srm.p, srm.chi_square_p) < SRM_WARNS else "as drawn"


def observed_share(arm: ArmSummary, arms: Sequence[ArmSummary]) -> float:
    total = sum(each.exposed for each in arms)
    return arm.exposed / total if total else 0.0


def excluded_text(excluded: dict[str, int]) -> str:
    """`12 seen in several variants, 3 switched by a login`."""
    parts = [
        f"{count(subjects)} {EXCLUSIONS.get(Exclusion(name)) if name in set(Exclusion) else name}"
        for name, subjects in excluded.items()
        if subjects
    ]
    return ", ".join(parts)
