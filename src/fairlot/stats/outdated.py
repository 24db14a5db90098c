"""Whether the looks that are stored say what is computed for their days now."""

from collections.abc import Iterator
from typing import Final

from fairlot.stats.analysis import Analysis
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.looks import Recomputed

_FEWEST: Final = 100
_MORE: Final = 1.25


def outdated(analysis: Analysis) -> Iterator[Finding]:
    """Of each comparison the last one that is: events that come late change a look a little, half
    an import that was looked at changes all of them."""
    for (metric, variant), taken in analysis.taken.items():
        found = [each for each in taken.recomputed if _is_far_off(each)]
        if found:
            yield _finding(metric, variant, found[-1])


def _is_far_off(each: Recomputed) -> bool:
    look, n = each.look, each.effect.n
    has_many_more = n > look.n * _MORE and n - look.n >= _FEWEST
    return has_many_more or not look.interval.low <= each.effect.difference <= look.interval.high


def _finding(metric: str, variant: str, each: Recomputed) -> Finding:
    look, effect = each.look, each.effect
    return Finding(
        code=FindingCode.LOOKS_OUTDATED,
        severity=Severity.WARNS,
        summary=f"The look of {look.day} at {variant} in {metric} saw {look.estimate:.4g} of"
        f" {look.n:,} subjects; for the same day {effect.difference:.4g} of {effect.n:,} is"
        " computed now.",
        advice="Events came after that look, which stays as it is: read the interval of this moment"
        " and what it rests on. If they were incomplete then, as after half an import, import all"
        " of them, and have the looks taken anew: `fairlot experiments drop-looks KEY --reason"
        " TEXT`, which stays on record.",
        evidence={
            "look": look.day.isoformat(),
            "estimateThen": look.estimate,
            "estimateNow": effect.difference,
            "subjectsThen": look.n,
            "subjectsNow": effect.n,
        },
        metric=metric,
        variant=variant,
    )
