"""Experiments replayed look by look, through the functions that make the results of real ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, kolmogorov

from fairlot.stats.effects import Effect, effect_of, merged_days
from fairlot.stats.group_sequential import fraction_of, is_due, repeated_interval
from fairlot.stats.moments import moments_of
from fairlot.stats.results import Interval, Method
from fairlot.stats.sequences import confidence_sequence, gate_of
from fairlot.stats.srm import BLOCKS_BELOW, srm
from fairlot.stats.sufficient import MetricDay
from fairlot.stats.welch import welch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rules:
    """How the looks are read; `treated_share` is what was planned."""

    alpha: float = 0.05
    planned_size: int = 10_000
    method: Method = Method.SEQUENTIAL
    looks: int = 5
    is_conversion: bool = False
    responses: int = 1
    cuped: bool = False
    treated_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Watched:
    """What one experiment would have said: at any look whose gate was open, unless it is said
    otherwise."""

    opened: bool
    """Whether the gate was, at one look or more."""
    excluded_zero: bool
    excluded_truth: bool
    excluded_zero_ungated: bool
    """At any look, had there been no gate."""
    fixed_excluded_zero: bool
    """The fixed-horizon test at any look: what looking every day at it does."""
    fixed_p: float
    """Of that test at the last look alone; 1 when there is none."""
    srm_blocked: bool


def watch(
    columns: Sequence[Floats],
    ends: Sequence[int],
    treated: NDArray[np.bool_],
    rules: Rules,
    truth: Sequence[float] | float = 0.0,
) -> Watched:
    """Look at subjects, in the order in which they came, after each of the `ends`.

    `columns` are those of `Moments`; `truth` is the true effect, at every look or at each of them.
    """
    truths = [truth] * len(ends) if isinstance(truth, int | float) else list(truth)
    reading = _Reading(rules)
    arms: list[MetricDay | None] = [None, None]
    for (start, end), true_effect in zip(pairwise((0, *ends)), truths, strict=True):
        for arm, mask in enumerate((~treated[start:end], treated[start:end])):
            arms[arm] = _grown(arms[arm], [column[start:end][mask] for column in columns], rules)
        control, treatment = arms
        if control is not None and treatment is not None:
            reading.look(control, treatment, true_effect)
    return reading.watched()


class _Reading:
    """What has been concluded so far."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._fractions: list[float] = []
        self._opened = self._zero = self._truth = self._ungated = self._fixed = False
        self._blocked = False
        self._fixed_p = 1.0

    def look(self, control: MetricDay, treatment: MetricDay, truth: float) -> None:
        rules = self._rules
        counts = (control.moments.n, treatment.moments.n)
        shares = (1 - rules.treated_share, rules.treated_share)
        self._blocked |= srm(counts, shares).p < BLOCKS_BELOW
        effect = effect_of(control, treatment, responses=rules.responses, cuped=rules.cuped)
        if not isinstance(effect, Effect):
            return
        self._fixed_p = welch(effect, rules.alpha).p
        self._fixed |= self._fixed_p < rules.alpha
        interval = _INTERVALS[rules.method](self._fractions, effect, rules)
        if interval is None:
            return
        self._ungated |= not interval.low <= 0 <= interval.high
        if gate_of(effect, rules.is_conversion, rules.alpha) is None:
            self._opened = True
            self._zero |= not interval.low <= 0 <= interval.high
            self._truth |= not interval.low <= truth <= interval.high

    def watched(self) -> Watched:
        return Watched(
            opened=self._opened,
            excluded_zero=self._zero,
            excluded_truth=self._truth,
            excluded_zero_ungated=self._ungated,
            fixed_excluded_zero=self._fixed,
            fixed_p=self._fixed_p,
            srm_blocked=self._blocked,
        )


def _grown(arm: MetricDay | None, columns: Sequence[Floats], rules: Rules) -> MetricDay:
    day = MetricDay(
        moments=moments_of(columns, rules.responses),
        converted=int(np.count_nonzero(columns[0])),
        capped=0,
    )
    return day if arm is None else merged_days((arm, day))


def _by_sequence(_fractions: list[float], effect: Effect, rules: Rules) -> Interval | None:
    return confidence_sequence(effect, rules.planned_size, rules.alpha).interval


def _by_plan(fractions: list[float], effect: Effect, rules: Rules) -> Interval | None:
    """None between the planned looks, and after the last one."""
    n = effect.n
    if not is_due(n, rules.planned_size, rules.looks, fractions[-1] if fractions else 0.0):
        return None
    fractions.append(fraction_of(n, rules.planned_size))
    return repeated_interval(effect, fractions, rules.alpha)


def _by_fixed(_fractions: list[float], effect: Effect, rules: Rules) -> Interval | None:
    return welch(effect, rules.alpha).interval


_INTERVALS: Final[Mapping[Method, Callable[[list[float], Effect, Rules], Interval | None]]] = {
    Method.SEQUENTIAL: _by_sequence,
    Method.GROUP_SEQUENTIAL: _by_plan,
    Method.FIXED: _by_fixed,
}


@dataclass(frozen=True, slots=True)
class Share:
    """A count of runs, with the exact interval (Clopper and Pearson, 1934) of its probability."""

    count: int
    runs: int

    @property
    def value(self) -> float:
        return self.count / self.runs

    @property
    def interval(self) -> Interval:
        missed = self.runs - self.count
        return Interval(
            low=float(betaincinv(self.count, missed + 1, 0.025)) if self.count else 0.0,
            high=float(betaincinv(self.count + 1, missed, 0.975)) if missed else 1.0,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """Over many runs; each field but the last counts those of `Watched`. `uniformity_p` is of
    Kolmogorov and Smirnov's test that the fixed test's p at the last look is uniform."""

    opened: Share
    excluded_zero: Share
    excluded_truth: Share
    excluded_zero_ungated: Share
    fixed_excluded_zero: Share
    srm_blocked: Share
    uniformity_p: float


def summary_of(runs: Iterable[Watched]) -> Summary:
    """At least one run."""
    found = tuple(runs)
    shares = {
        field.name: Share(sum(getattr(run, field.name) for run in found), len(found))
        for field in fields(Summary)
        if field.name != "uniformity_p"
    }
    return Summary(**shares, uniformity_p=_uniformity_p([run.fixed_p for run in found]))


def capped(columns: Sequence[Floats], cap: float, responses: int) -> tuple[Floats, ...]:
    """Responses, and those before the exposure, at most `cap`; the flag of no history as it is."""
    flag = 1 if len(columns) > responses else 0
    values = len(columns) - flag
    return tuple(
        np.minimum(column, cap) if number < values else column
        for number, column in enumerate(columns)
    )


def cap_of(values: Floats, quantile: float | None) -> float:
    """Of the subjects that the cap is fixed by, all arms together."""
    return inf if quantile is None or not len(values) else float(np.quantile(values, quantile))


def _uniformity_p(values: Sequence[float]) -> float:
    ordered = np.sort(np.asarray(values))
    n = len(ordered)
    steps = np.arange(n + 1) / n
    distance = float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
    root = n**0.5
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
