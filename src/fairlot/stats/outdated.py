"""Whether the looks that are stored say what is computed for their days now."""

from collections.abc import Iterator
from typing import Final

from fairlot.stats.analysis import Analysis, LookName
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.looks import Recomputed
from fairlot.stats.metrics import Role
from fairlot.stats.results import MetricResult
from fairlot.stats.verdicts import Judged
from fairlot.stats.words import change_text

_FEWEST: Final = 100
_MORE: Final = 1.25
_AS_MANY: Final = 0.95
_CAME_LATE: Final = (
    "Events came after that look, which stays as it is. If they were incomplete then, as after half"
    " an import, import all of them, and have the looks taken anew: `fairlot experiments drop-looks"
    " KEY --reason TEXT`, which stays on record. Else find out what came so late, or of one variant"
    " only."
)
_ARE_GONE: Final = (
    "Events that it saw are not there now: put them back from a backup. The look stays as it is,"
    " and is not to be dropped for what is left."
)


def outdated(analysis: Analysis) -> Iterator[Finding]:
    """Of each comparison the last one that is: events that come late change a look a little, half
    an import that was looked at changes all of them.

    A difference outside the interval that a look gave for it leaves no verdict to what rests on
    that look: the look stays, and says what is not so. Where subjects of it are gone, fewer of them
    differ more by chance, and the look is what there is.
    """
    deciding = set(_deciding(analysis))
    metrics = {metric.key: metric for metric in analysis.metrics}
    for (metric, variant), taken in analysis.taken.items():
        left = [each for each in taken.recomputed if _has_left(each)]
        found = left or [each for each in taken.recomputed if _has_many_more(each)]
        if found:
            blocks = (metric, variant) in deciding and any(map(_is_of_as_many, left))
            severity = Severity.BLOCKS if blocks else Severity.WARNS
            told = [each for each in found if _is_of_as_many(each)] or found
            yield _finding(metrics[metric], variant, told[-1], severity)


def _deciding(analysis: Analysis) -> Iterator[LookName]:
    """Primary metrics, and the guardrails of whoever is better in one."""
    better = set()
    for metric in analysis.metrics:
        if metric.role is not Role.PRIMARY:
            continue
        for comparison in metric.comparisons:
            yield metric.key, comparison.variant
            if Judged(metric, comparison).is_better:
                better.add(comparison.variant)
    for metric in analysis.metrics:
        if metric.role is Role.GUARDRAIL:
            yield from ((metric.key, variant) for variant in better)


def _has_left(each: Recomputed) -> bool:
    """Its own interval, not what all looks have in common: that is narrower the more there are."""
    interval = each.look.interval
    return not interval.low <= each.effect.difference <= interval.high


def _is_of_as_many(each: Recomputed) -> bool:
    return each.effect.n >= each.look.n * _AS_MANY


def _has_many_more(each: Recomputed) -> bool:
    look, n = each.look, each.effect.n
    return n > look.n * _MORE and n - look.n >= _FEWEST


def _finding(metric: MetricResult, variant: str, each: Recomputed, severity: Severity) -> Finding:
    look, effect = each.look, each.effect
    then, now, low, high = (
        change_text(value, metric.kind)
        for value in (look.estimate, effect.difference, look.interval.low, look.interval.high)
    )
    outside = ", outside of that interval" if _has_left(each) else ""
    return Finding(
        code=FindingCode.LOOKS_OUTDATED,
        severity=severity,
        summary=f"The look of {look.day} at {variant} in {metric.key} saw {then} ({low} to {high})"
        f" of {look.n:,} subjects; for the same day {now} of {effect.n:,} is computed"
        f" now{outside}.",
        advice=_CAME_LATE if _is_of_as_many(each) else _ARE_GONE,
        evidence={
            "look": look.day.isoformat(),
            "estimateThen": look.estimate,
            "estimateNow": effect.difference,
            "intervalThen": [look.interval.low, look.interval.high],
            "subjectsThen": look.n,
            "subjectsNow": effect.n,
        },
        metric=metric.key,
        variant=variant,
    )
