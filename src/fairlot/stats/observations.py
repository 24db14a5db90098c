"""What the statistics alone show to be wrong with a result."""

from collections.abc import Iterator

from fairlot.stats.analysis import Analysis, primaries_of
from fairlot.stats.exposed import arms_of, chance_of_nobody, control_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Role
from fairlot.stats.results import Comparison, MetricResult
from fairlot.stats.srm import BLOCKS_BELOW
from fairlot.stats.sufficient import Sufficient, View
from fairlot.stats.words import listed


def observe(sufficient: Sufficient, analysis: Analysis) -> tuple[Finding, ...]:
    if not sufficient.rows:
        return (_no_exposures(sufficient),)
    return (
        *_unseen_variants(sufficient),
        *_unseen_metrics(sufficient, analysis),
        *_preliminary(sufficient),
        *_gated(sufficient, analysis),
        *_disagreeing(analysis),
        *_unseen_segment(sufficient),
    )


def _no_exposures(sufficient: Sufficient) -> Finding:
    excluded = sum(sufficient.left_out.values()) + sufficient.not_human
    left_out = f"; {excluded:,} subjects were exposed and are left out" if excluded else ""
    return Finding(
        code=FindingCode.NO_EXPOSURES,
        severity=Severity.BLOCKS,
        summary=f"Nobody was exposed who counts{left_out}.",
        advice="See whether the experiment is served, and whether exposures are recorded: "
        "`fairlot events --kind exposures`.",
        evidence={"excluded": excluded},
    )


def _unseen_variants(sufficient: Sufficient) -> Iterator[Finding]:
    seen = {row.variant_key for row in sufficient.rows if row.exposed}
    last = sufficient.question.phases[-1]
    unseen = [arm.variant_key for arm in last.arms if arm.share > 0 and arm.variant_key not in seen]
    for variant in unseen:
        yield _unseen_variant(variant, chance_of_nobody(sufficient, variant))
    if control_of(sufficient.question.phases) is None:
        only = listed([arm.variant_key for arm in arms_of(sufficient.question.phases)])
        yield Finding(
            code=FindingCode.VARIANT_NOT_SEEN,
            severity=Severity.BLOCKS,
            summary=f"There is nothing to compare {only} with.",
            advice="Add a control, or give a triggered personalization a controlShare.",
        )


def _unseen_variant(variant: str, chance: float) -> Finding:
    evidence = {"chance": chance}
    if chance < BLOCKS_BELOW:
        return Finding(
            code=FindingCode.VARIANT_NOT_SEEN,
            severity=Severity.BLOCKS,
            summary=f"Nobody was exposed to {variant}.",
            advice="See whether its code records the exposure: `fairlot replay KEY` says what was"
            " drawn.",
            evidence=evidence,
            variant=variant,
        )
    return Finding(
        code=FindingCode.VARIANT_NOT_SEEN,
        severity=Severity.WARNS,
        summary=f"Nobody was exposed to {variant} yet, which so few subjects can be by chance.",
        advice="Wait for more subjects.",
        evidence=evidence,
        variant=variant,
    )


def _unseen_metrics(sufficient: Sufficient, analysis: Analysis) -> Iterator[Finding]:
    """A primary metric without any event blocks: nothing would ever differ."""
    if not analysis.metrics:
        yield Finding(
            code=FindingCode.METRIC_NOT_SEEN,
            severity=Severity.BLOCKS,
            summary="It has no metrics.",
            advice="Write `metrics:` in its file; exposures are kept and count from the start.",
        )
    for metric in analysis.metrics:
        subjects = sum(arm.n for arm in metric.arms)
        if subjects and not any(arm.converted for arm in metric.arms):
            yield _unseen_metric(metric, subjects)


def _unseen_metric(metric: MetricResult, subjects: int) -> Finding:
    is_primary = metric.role is Role.PRIMARY
    return Finding(
        code=FindingCode.METRIC_NOT_SEEN,
        severity=Severity.BLOCKS if is_primary else Severity.WARNS,
        summary=f"{metric.name} is 0 of all {subjects:,} subjects.",
        advice="See whether its events are sent, with this name and for these subject ids: "
        "`fairlot events --kind conversions`.",
        evidence={"subjects": subjects},
        metric=metric.key,
    )


def _preliminary(sufficient: Sufficient) -> Iterator[Finding]:
    if sufficient.question.view is View.SO_FAR:
        yield Finding(
            code=FindingCode.PRELIMINARY,
            severity=Severity.NOTES,
            summary="not every arm has 100 subjects yet whose window is over, so all count as far"
            " as they have come.",
            advice="Wait; numbers of subjects who are still in their window only rise.",
        )


def _gated(sufficient: Sufficient, analysis: Analysis) -> Iterator[Finding]:
    if sufficient.question.view is View.SO_FAR or sufficient.question.segment_by is not None:
        return
    primaries = primaries_of(sufficient.question.metrics)
    for comparison in analysis.comparisons:
        if comparison.is_gated and comparison.metric in primaries:
            yield Finding(
                code=FindingCode.TOO_FEW_SUBJECTS,
                severity=Severity.WARNS,
                summary=f"Nothing is concluded yet of {comparison.variant} in"
                f" {comparison.metric}: {comparison.gate}.",
                advice="Wait for more subjects; `fairlot power KEY` says how long that takes.",
                metric=comparison.metric,
                variant=comparison.variant,
            )


def _disagreeing(analysis: Analysis) -> Iterator[Finding]:
    for metric in analysis.metrics:
        for comparison in metric.comparisons:
            if comparison.disagrees and metric.role is not Role.SECONDARY:
                yield Finding(
                    code=FindingCode.INTERVALS_DISAGREE,
                    severity=Severity.BLOCKS,
                    summary=f"{_disagreement(metric, comparison)}.",
                    advice="The effect changes over time, events came after their looks, or"
                    " something broke mid-run: look at the intervals by day, and at what changed"
                    " between them.",
                    metric=metric.key,
                    variant=comparison.variant,
                )


def _disagreement(metric: MetricResult, comparison: Comparison) -> str:
    planned = comparison.planned_look
    kind = "daily intervals" if planned is None else "intervals of the planned looks"
    whose = f"The {kind} of {comparison.variant} in {metric.name}"
    if comparison.looks[-1].running is None:
        return f"{whose} have nothing in common"
    if comparison.running is None:
        return f"{whose} have nothing in common with that of this moment"
    when = "now" if planned is None else "at the last of them"
    return f"{whose} leave out 0 on the side where it is not {when}"


def _unseen_segment(sufficient: Sufficient) -> Iterator[Finding]:
    segment = sufficient.question.segment_by
    if segment is not None and all(row.segment is None for row in sufficient.rows):
        yield Finding(
            code=FindingCode.SEGMENT_NOT_SEEN,
            severity=Severity.WARNS,
            summary=f"No first exposure has {segment}, so there is nothing to split by.",
            advice="See how it is spelled in what was recorded:"
            " `fairlot events --kind exposures --json`.",
        )
