"""Effects that fade, and effects that are too good."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from math import sqrt
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.stats.effects import Effect, NoEffect, effect_over_phases, merged_days
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Metric, MetricKind, Role
from fairlot.stats.sufficient import ArmDay, MetricDay

_FEWEST_DAYS: Final = 4
_FEWEST_SUBJECTS: Final = 100
_CLEAR: Final = 3.5
"""In standard errors: by chance once in two thousand comparisons."""
_DOUBLED: Final = 2.0


def check_novelty(case: Case) -> Iterator[Finding]:
    """Whether subjects who came early show another effect than those who came late."""
    days = sorted({row.day for row in case.sufficient.rows})
    if len(days) < _FEWEST_DAYS:
        return
    middle = days[len(days) // 2]
    for metric, variant in _comparisons(case):
        early = _effect(case, metric, variant, lambda day: day < middle)
        late = _effect(case, metric, variant, lambda day: day >= middle)
        if early is None or late is None:
            continue
        change = late.difference - early.difference
        error = sqrt(early.standard_error**2 + late.standard_error**2)
        if abs(change) < _CLEAR * error:
            continue
        fades = abs(late.difference) < abs(early.difference)
        yield Finding(
            code=FindingCode.NOVELTY,
            severity=Severity.WARNS,
            summary=f"The effect of {variant} on {metric.name} {'fades' if fades else 'changes'}:"
            f" {early.difference:.4g} for who came before {middle}, {late.difference:.4g} after"
            f" ({change / error:.1f} standard errors apart).",
            advice="Let it run on, and read the later subjects: what was new may have been the"
            " effect, or who comes has changed.",
            evidence={
                "early": early.difference,
                "late": late.difference,
                "standardError": error,
                "from": middle.isoformat(),
            },
            metric=metric.key,
            variant=variant,
        )


def check_implausible_lifts(case: Case) -> Iterator[Finding]:
    """Twyman's law: what looks too interesting is usually wrong."""
    for metric, variant in _comparisons(case):
        effect = _effect(case, metric, variant, lambda _day: True)
        if effect is None or effect.value_control <= 0:
            continue
        times = effect.value_treatment / effect.value_control
        is_clear = abs(effect.difference) > _CLEAR * effect.standard_error
        if not is_clear or 1 / _DOUBLED < times < _DOUBLED:
            continue
        yield Finding(
            code=FindingCode.IMPLAUSIBLE_LIFT,
            severity=Severity.WARNS,
            summary=f"{metric.name} of {variant} is {times:.2f} times that of the control: changes"
            " as large are usually errors of measurement.",
            advice="Look whether both arms send the event alike, and count it once, before you"
            " believe it.",
            evidence={
                "control": effect.value_control,
                "variant": effect.value_treatment,
                "standardError": effect.standard_error,
            },
            metric=metric.key,
            variant=variant,
        )


def _comparisons(case: Case) -> Iterator[tuple[Metric, str]]:
    """Primary metrics of means, with each variant that is not the control."""
    variants = dict.fromkeys(
        arm.variant_key for phase in case.phases for arm in phase.arms if not arm.is_control
    )
    for metric in case.question.metrics:
        if metric.role is Role.PRIMARY and metric.kind is not MetricKind.QUANTILE:
            for variant in variants:
                yield metric, variant


def _effect(
    case: Case, metric: Metric, variant: str, is_in: Callable[[date], bool]
) -> Effect | None:
    """None where an arm has too few subjects. Without CUPED, whose theta would differ by half."""
    pairs = []
    for phase in case.phases:
        control = next((arm.variant_key for arm in phase.arms if arm.is_control), None)
        rows = [
            row
            for row in case.sufficient.rows
            if row.phase == phase.number and is_in(row.day) and metric.key in row.metrics
        ]
        pairs.append((_merged(rows, control, metric), _merged(rows, variant, metric)))
    found = effect_over_phases(pairs, responses=metric.responses, cuped=False)
    if isinstance(found, NoEffect) or min(found.n_control, found.n_treatment) < _FEWEST_SUBJECTS:
        return None
    return found


def _merged(rows: Iterable[ArmDay], variant: str | None, metric: Metric) -> MetricDay:
    return merged_days(row.metrics[metric.key] for row in rows if row.variant_key == variant)
