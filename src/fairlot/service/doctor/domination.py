"""Whether a metric of an arm is that of one subject."""

from collections.abc import Iterator
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.stats.domination import share_of_the_largest
from fairlot.stats.effects import merged_days
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.sufficient import MetricDay

_LARGE: Final = 0.2
_TIMES_USUAL: Final = 10.0
_CUTS_ONE_OF: Final = 1_000


def check_domination(case: Case) -> Iterator[Finding]:
    """A fifth of what an arm has, and ten times what a subject has who has any: of five buyers one
    always has a fifth."""
    variants = dict.fromkeys(arm.variant_key for phase in case.phases for arm in phase.arms)
    for metric in case.question.metrics:
        if metric.kind is MetricKind.QUANTILE:
            continue
        for variant in variants:
            arm = merged_days(
                row.metrics[metric.key]
                for row in case.sufficient.rows
                if row.variant_key == variant and metric.key in row.metrics
            )
            share = share_of_the_largest(arm.moments) or 0.0
            if share >= _LARGE and share * arm.converted >= _TIMES_USUAL:
                yield _dominated(case, metric, variant, arm, share)


def _dominated(case: Case, metric: Metric, variant: str, arm: MetricDay, share: float) -> Finding:
    cap = case.sufficient.caps.get(metric.key)
    idle = (
        f" The usual cap, a quantile, cuts nobody among fewer than some {_CUTS_ONE_OF:,} subjects."
        if metric.winsorisation.quantile is not None and not arm.capped
        else ""
    )
    return Finding(
        code=FindingCode.ONE_SUBJECT_DOMINATES,
        severity=Severity.WARNS,
        summary=f"One subject makes {share * 100:.0f} % of {metric.name} in {variant}, where"
        f" {arm.converted:,} subjects have any.",
        advice="Look who that is: a test order, a reseller, a program. `winsorise: {cap: ...}` of"
        f" the metric says how much one may count; set it before the start.{idle}",
        evidence={
            "share": round(share, 4),
            "subjects": arm.moments.n,
            "withAny": arm.converted,
            "total": arm.moments.n * arm.moments.means[0],
            "cap": cap,
        },
        metric=metric.key,
        variant=variant,
    )
