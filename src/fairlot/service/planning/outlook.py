"""What an experiment with such visitors needs and can find."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fairlot.service.planning.observed import NothingRecorded, Observed
from fairlot.service.results.questions import Study
from fairlot.stats.effects import Effect, effect_of
from fairlot.stats.metrics import MetricKind, Role
from fairlot.stats.moments import moments_of
from fairlot.stats.planning import (
    DAYS_A_WEEK,
    Design,
    NoPlan,
    Size,
    effect_on_mean,
    effect_on_rate,
    size_for_mean,
    size_for_rate,
    subjects_after,
    weeks_until,
)
from fairlot.stats.ratios import response_of
from fairlot.stats.results import Method
from fairlot.stats.sufficient import MetricDay

SHOWN_WEEKS: Final = (1, 2, 3, 4, 6, 8, 12)
METHODS: Final = (Method.FIXED, Method.SEQUENTIAL, Method.GROUP_SEQUENTIAL)
_WORTH_IT: Final = 0.99
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Baseline:
    """`value` of the control: a rate, or a mean (a ratio) whose subjects have that `deviation`."""

    value: float
    deviation: float | None
    subjects: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """`arrivals` by day, of whom the `share` enters; windows last `window_days`."""

    arrivals: tuple[int, ...]
    share: float
    window_days: float

    @property
    def days(self) -> int:
        """Those that the weekly rate is of: the last whole ones on which somebody came."""
        return len(self.arrivals[-DAYS_A_WEEK:])

    @property
    def a_week(self) -> float:
        last = self.arrivals[-DAYS_A_WEEK:]
        return sum(last) / len(last) * DAYS_A_WEEK * self.share


@dataclass(frozen=True, slots=True)
class Need:
    """By one method, to find the effect; `weeks` None: nobody comes. `control` None: no plan."""

    method: Method
    control: int | None
    treatment: int | None
    total: int | None
    weeks: int | None


@dataclass(frozen=True, slots=True)
class Prospect:
    """`effect`: the smallest that is found after so many weeks, None if there is none."""

    weeks: int
    subjects: int
    effect: float | None


def baseline_of(study: Study, found: Observed) -> Baseline:
    """Of the control's subjects. Raises NothingRecorded when there are none."""
    responses = found.metric.responses
    columns = found.columns[found.in_control, :responses]
    if not len(columns):
        raise NothingRecorded(f"the control of {study.question.experiment_key}")
    response = response_of(moments_of(list(columns.T), responses), responses)
    if response is None:
        raise NothingRecorded(f"the denominator of {found.metric.key}")
    is_rate = found.metric.kind is MetricKind.CONVERSION
    deviation = float(np.sqrt(response.variance)) if len(columns) > 1 else 0.0
    return Baseline(response.value, None if is_rate else deviation, len(columns))


def design_of(study: Study, found: Observed, power: float) -> Design:
    """The experiment's own: its arms, its shares, its primaries, its method, its `plannedSize`
    and what CUPED has taken off its variance."""
    question, plan = study.question, study.plan
    arms = question.phases[-1].arms
    primaries = sum(metric.role is Role.PRIMARY for metric in question.metrics)
    return Design(
        alpha=plan.alpha,
        power=power,
        arms=max(len(arms), 2),
        control_share=next((arm.share for arm in arms if arm.is_control), None),
        primaries=max(primaries, 1),
        method=plan.method,
        looks=plan.looks,
        planned_size=plan.planned_size,
        variance_reduction=_reduction(found) if plan.cuped else 0.0,
    )


def traffic_of(found: Observed, share: float) -> Traffic:
    return Traffic(found.arrivals, share, found.metric.window_ms / _DAY_MS)


def needs_of(
    baseline: Baseline, traffic: Traffic, design: Design, effect: float
) -> tuple[Need, ...]:
    return tuple(
        _need(baseline, traffic, replace(design, method=method), effect) for method in METHODS
    )


def better_size(baseline: Baseline, design: Design, effect: float) -> Size | None:
    """Whose `planned_size` would find it with less than 99 % of the subjects that the one of a
    sequential design takes; of planned looks the size that they take, where it is another one."""
    best = _size_of(baseline, replace(design, planned_size=None), effect)
    own = _size_of(baseline, design, effect)
    if isinstance(best, NoPlan) or isinstance(own, NoPlan) or design.method is Method.FIXED:
        return None
    if design.method is Method.GROUP_SEQUENTIAL:
        return best if best.planned_size != design.planned_size else None
    return best if best.total < _WORTH_IT * own.total else None


def prospects_of(baseline: Baseline, traffic: Traffic, design: Design) -> tuple[Prospect, ...]:
    return tuple(_prospect(baseline, traffic, design, weeks) for weeks in SHOWN_WEEKS)


def _need(baseline: Baseline, traffic: Traffic, design: Design, effect: float) -> Need:
    size = _size_of(baseline, design, effect)
    if isinstance(size, NoPlan):
        return Need(design.method, None, None, None, None)
    arrivals = [each * traffic.share for each in traffic.arrivals]
    weeks = weeks_until(size.total, arrivals, traffic.window_days)
    known = None if isinstance(weeks, NoPlan) else weeks
    return Need(design.method, size.control, size.treatment, size.total, known)


def _size_of(baseline: Baseline, design: Design, effect: float) -> Size | NoPlan:
    if baseline.deviation is None:
        return size_for_rate(baseline.value, effect, design)
    return size_for_mean(baseline.deviation, effect, design)


def _prospect(baseline: Baseline, traffic: Traffic, design: Design, weeks: int) -> Prospect:
    arrivals = [each * traffic.share for each in traffic.arrivals]
    subjects = subjects_after(weeks, arrivals, traffic.window_days)
    if baseline.deviation is None:
        effect = effect_on_rate(baseline.value, subjects, design)
    else:
        effect = effect_on_mean(baseline.deviation, subjects, design)
    return Prospect(weeks, subjects, None if isinstance(effect, NoPlan) else effect)


def _reduction(found: Observed) -> float:
    responses = found.metric.responses
    arms = [
        MetricDay(moments=moments_of(list(found.columns[mask].T), responses), converted=0, capped=0)
        for mask in (found.in_control, ~found.in_control)
    ]
    effect = effect_of(arms[0], arms[1], responses=responses)
    return max(effect.variance_reduction or 0.0, 0.0) if isinstance(effect, Effect) else 0.0
