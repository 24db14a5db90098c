"""What was changed of an analysis after it had been fixed."""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from fairlot.manifest.instants import write_instant
from fairlot.service.results.fixed import Dropping, FixedAnalysis
from fairlot.service.results.questions import Study
from fairlot.stats.analysis import comparisons_of, primaries_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.words import listed


def changes(study: Study, fixed: FixedAnalysis, redefined: Collection[str]) -> Iterator[Finding]:
    """`redefined` are the keys of metrics whose stored looks are of another definition."""
    yield from _redefined(study, fixed, redefined)
    yield from _gone(study, fixed)
    yield from _replanned(study, fixed)
    yield from _more_compared(study, fixed)


def droppings(forgotten: Sequence[Dropping], alpha: float) -> Iterator[Finding]:
    for each in forgotten:
        yield Finding(
            code=FindingCode.LOOKS_DROPPED,
            severity=Severity.NOTES,
            summary=f"{_what(each)} dropped at {write_instant(each.at_ms)} by {each.by}:"
            f" {_sentence(each.reason)}",
            advice="Looks and caps are made anew, of the events that there are now. Whoever would"
            f" have concluded by these or by those of before has {len(forgotten) + 1} chances"
            f" to err, together up to {min(alpha * (len(forgotten) + 1), 1):.3g} instead of"
            f" {alpha:.3g}.",
            evidence=msgspec.to_builtins(each),
        )


def _sentence(reason: str) -> str:
    """Another one follows it."""
    written = reason.strip()
    return written if written.endswith((".", "!", "?")) else f"{written}."


def _what(each: Dropping) -> str:
    if not each.looks:
        return f"The caps of {listed(sorted(each.caps))} were"
    newest = max(look.day for look in each.newest)
    return f"The stored looks ({each.looks}, the newest of {newest}) were"


def _redefined(study: Study, fixed: FixedAnalysis, redefined: Collection[str]) -> Iterator[Finding]:
    for metric in study.question.metrics:
        if metric.key in redefined:
            yield Finding(
                code=FindingCode.METRIC_CHANGED,
                severity=Severity.BLOCKS if metric.key in fixed.primaries else Severity.WARNS,
                summary=f"What {metric.name} measures was changed after looks had been taken, which"
                " do not count now.",
                advice="Write its definition as it was, and measure what is new as a metric with a"
                " key of its own, in an experiment that starts anew if it is to decide.",
                metric=metric.key,
            )


def _gone(study: Study, fixed: FixedAnalysis) -> Iterator[Finding]:
    there = {metric.key for metric in study.question.metrics}
    for key in fixed.primaries:
        if key not in there:
            yield Finding(
                code=FindingCode.PRIMARY_GONE,
                severity=Severity.BLOCKS,
                summary=f"The metric {key}, which was fixed as primary, is gone.",
                advice="Write it again under this key, or start an experiment anew: what decides"
                " was fixed with the first result.",
                metric=key,
            )


def _replanned(study: Study, fixed: FixedAnalysis) -> Iterator[Finding]:
    """A primary metric that is gone is a finding of its own."""
    metrics = study.question.metrics
    written, there = primaries_of(metrics), {metric.key for metric in metrics}
    others = set(written) ^ (set(fixed.primaries) & there)
    is_other = {
        "the analysis": study.plan != fixed.plan,
        "the primary metrics": bool(others) and there.issuperset(fixed.primaries),
    }
    changed = [name for name, is_changed in is_other.items() if is_changed]
    if changed:
        yield Finding(
            code=FindingCode.PLAN_CHANGED,
            severity=Severity.NOTES,
            summary=f"The file changes {listed(changed)} after the first result; the result goes by"
            " what was fixed then.",
            advice="Nothing is to be done, unless the new plan is to hold: then start an experiment"
            " anew.",
            evidence={
                "method": fixed.plan.method,
                "alpha": fixed.plan.alpha,
                "plannedSize": fixed.plan.planned_size,
                "looks": fixed.plan.looks,
                "cuped": fixed.plan.cuped,
                "primaries": fixed.primaries,
            },
        )


def _more_compared(study: Study, fixed: FixedAnalysis) -> Iterator[Finding]:
    then, now = fixed.comparisons, comparisons_of(fixed.primaries, study.question.phases)
    if now > then > 0:
        before, after = fixed.plan.alpha / then, fixed.plan.alpha / now
        yield Finding(
            code=FindingCode.VARIANTS_ADDED,
            severity=Severity.NOTES,
            summary="A variant came after the first result, and shares alpha with the others: of"
            f" primary metrics all intervals are at {after:.3g} now, those of earlier looks too,"
            f" which were at {before:.3g}.",
            advice="Nothing is to be done. Intervals are wider than those that were read before; a"
            " variant that is not to cost the others anything belongs in an experiment of its own.",
            evidence={"comparisonsThen": then, "comparisonsNow": now},
        )
