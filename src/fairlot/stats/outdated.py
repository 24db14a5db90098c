"""Whether the looks that are stored say what is computed for their days now."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Final

from fairlot.stats.analysis import Analysis, LookName
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.looks import Recomputed
from fairlot.stats.metrics import Role
from fairlot.stats.recounts import MOST_RECOUNTED, Counted, Recount
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


def outdated(
    analysis: Analysis, looks: Mapping[LookName, Sequence[Counted]], recount: Recount
) -> Iterator[Finding]:
    """Of each comparison the last one that is: events that come late change a look a little, half
    an import that was looked at changes all of them. `looks` are those that are stored.

    A difference outside the interval that a look gave for it leaves no verdict to what rests on
    that look: the look stays, and says what is not so. Where events of it are gone, what is left
    differs more by chance, and the look is what there is.
    """
    deciding = set(_deciding(analysis))
    metrics = {metric.key: metric for metric in analysis.metrics}
    for (metric, variant), taken in analysis.taken.items():
        left = [each for each in taken.recomputed if _has_left(each)]
        found = left or [each for each in taken.recomputed if _has_many_more(each)]
        if not found:
            continue
        stored = {each.day: each for each in looks[metric, variant]}
        there = _last_there(found, stored, partial(recount, metric, variant))
        blocks = bool(left) and there is not None and (metric, variant) in deciding
        severity = Severity.BLOCKS if blocks else Severity.WARNS
        advice = _ARE_GONE if there is None else _CAME_LATE
        yield _finding(metrics[metric], variant, there or found[-1], severity, advice)


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


def _last_there(
    found: Sequence[Recomputed],
    stored: Mapping[date, Counted],
    recount: Callable[[Counted], int | None],
) -> Recomputed | None:
    """The last look whose events are still there: most subjects of it are counted now, or are by
    those events alone."""
    recounts = 0
    for each in reversed(found):
        fewest = each.look.n * _AS_MANY
        if each.effect.n >= fewest:
            return each
        if recounts < MOST_RECOUNTED:
            recounts += 1
            if (recount(stored[each.look.day]) or 0) >= fewest:
                return each
    return None


def _has_many_more(each: Recomputed) -> bool:
    look, n = each.look, each.effect.n
    return n > look.n * _MORE and n - look.n >= _FEWEST


def _finding(
    metric: MetricResult, variant: str, each: Recomputed, severity: Severity, advice: str
) -> Finding:
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
        advice=advice,
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
