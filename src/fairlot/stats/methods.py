"""The intervals that a verdict rests on, by how an experiment is analysed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlot.stats.effects import Difference, Effect
from fairlot.stats.group_sequential import (
    fraction_of,
    group_sequential,
    is_due,
    repeated_intervals,
)
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.proportions import unpooled
from fairlot.stats.results import Estimate, Interval, Method
from fairlot.stats.sequences import confidence_sequence, gate_of
from fairlot.stats.welch import welch


@dataclass(frozen=True, slots=True)
class Level:
    """`alpha` is after the correction for several comparisons."""

    plan: AnalysisPlan
    metric: Metric
    alpha: float

    @property
    def is_daily(self) -> bool:
        """Whether every daily close is a look, and the interval of this moment counts too."""
        return self.plan.method is Method.SEQUENTIAL

    @property
    def looks(self) -> int:
        return 1 if self.plan.method is Method.FIXED else self.plan.looks

    def gate(self, effect: Effect) -> str | None:
        return gate_of(effect, self.metric.kind is MetricKind.CONVERSION, self.alpha)

    def is_due(self, effect: Effect, sizes: Sequence[int]) -> bool:
        """Whether a daily close is a look, after looks at `sizes` of both arms."""
        if self.gate(effect) is not None:
            return False
        if self.is_daily:
            return True
        last = fraction_of(sizes[-1], self.plan.planned_size) if sizes else 0.0
        return is_due(effect.n, self.plan.planned_size, self.looks, last)

    def estimate(self, effect: Difference, sizes: Sequence[int]) -> Estimate:
        """After looks at `sizes` of both arms, this one not among them."""
        return _ESTIMATES[self.plan.method](self, effect, sizes)

    def intervals(self, effects: Sequence[Difference]) -> Sequence[Interval]:
        """Of looks one after the other, without p, which takes longer."""
        return _INTERVALS[self.plan.method](self, effects)

    def at_once(self, effect: Difference) -> Estimate:
        """As if nobody had looked before."""
        if self.metric.kind is not MetricKind.CONVERSION:
            return welch(effect, self.alpha)
        return unpooled(effect, self.alpha)

    def next_look(self, effect: Difference, sizes: Sequence[int]) -> str:
        """Of a plan with looks: what there is to wait for."""
        done = fraction_of(sizes[-1], self.plan.planned_size) if sizes else 0.0
        number = int(done * self.looks + 1e-9) + 1
        needed = -(-self.plan.planned_size * number // self.looks)
        return f"{effect.n:,} of the {needed:,} subjects that the next planned look needs"


def _sequence(level: Level, effect: Difference, sizes: Sequence[int]) -> Estimate:
    return confidence_sequence(effect, level.plan.planned_size, level.alpha)


def _boundary(level: Level, effect: Difference, sizes: Sequence[int]) -> Estimate:
    planned = level.plan.planned_size
    present = fraction_of(effect.n, planned)
    # Where events are gone there are fewer than at an earlier look; then that one does not count.
    earlier = {each for each in (fraction_of(size, planned) for size in sizes) if each < present}
    return group_sequential(effect, [*sorted(earlier), present], level.alpha)


def _boundaries(level: Level, effects: Sequence[Difference]) -> Sequence[Interval]:
    fractions = [fraction_of(each.n, level.plan.planned_size) for each in effects]
    return repeated_intervals(effects, fractions, level.alpha)


def _each(level: Level, effects: Sequence[Difference]) -> Sequence[Interval]:
    """By methods at which looks before make no difference."""
    return [level.estimate(each, ()).interval for each in effects]


def _once(level: Level, effect: Difference, sizes: Sequence[int]) -> Estimate:
    return level.at_once(effect)


_ESTIMATES: Final[Mapping[Method, Callable[[Level, Difference, Sequence[int]], Estimate]]] = {
    Method.SEQUENTIAL: _sequence,
    Method.GROUP_SEQUENTIAL: _boundary,
    Method.FIXED: _once,
}
_INTERVALS: Final[Mapping[Method, Callable[[Level, Sequence[Difference]], Sequence[Interval]]]] = {
    Method.SEQUENTIAL: _each,
    Method.GROUP_SEQUENTIAL: _boundaries,
    Method.FIXED: _each,
}
