"""One variant against the control in one metric."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isclose
from typing import Final

import msgspec

from fairlot.stats.bayes import Rate, beta_binomial, normal
from fairlot.stats.cuped import NoCuped
from fairlot.stats.effects import Effect, NoEffect
from fairlot.stats.guardrails import guardrail_state
from fairlot.stats.lifts import fieller
from fairlot.stats.looks import Taken
from fairlot.stats.methods import Level
from fairlot.stats.metrics import MetricKind, Role
from fairlot.stats.proportions import conversion, conversions_of
from fairlot.stats.results import (
    METHOD_NAMES,
    Bayesian,
    Comparison,
    Estimate,
    GuardrailState,
    Interval,
    Lift,
    Side,
    ValuesAre,
)
from fairlot.stats.sequences import running_intersections
from fairlot.stats.tables import Pair, Table, effect_of_pairs

COVARIATES: Final[Mapping[int, Mapping[int, str]]] = {
    1: {1: "before", 2: "noHistory"},
    2: {2: "before", 3: "denominatorBefore", 4: "noHistory"},
}
"""By the number of responses, the columns of `Moments` after them."""
NO_LOOKS: Final = Taken((), (), None)


@dataclass(frozen=True, slots=True)
class Deciding:
    """What the verdict rests on: the effect, its interval, and why it concludes nothing yet."""

    effect: Effect
    estimate: Estimate
    gate: str | None

    @property
    def is_known(self) -> bool:
        """Not where the interval is of a look that would be another today: what it saw of each arm
        is not kept."""
        return isclose(self.effect.difference, self.estimate.estimate, rel_tol=1e-9)

    @property
    def sides(self) -> tuple[Side | None, Side | None]:
        """Control and treatment."""
        if not self.is_known:
            return None, None
        effect = self.effect
        square_control, square_treatment = effect.squares
        return (
            Side(
                n=effect.n_control,
                value=effect.value_control,
                variance=effect.n_control * square_control,
                skewness=effect.skewness_control,
            ),
            Side(
                n=effect.n_treatment,
                value=effect.value_treatment,
                variance=effect.n_treatment * square_treatment,
                skewness=effect.skewness_treatment,
            ),
        )

    @property
    def lift(self) -> Lift:
        """As far as the interval reaches, so that both leave out 0 or none does."""
        if not self.is_known:
            return Lift(hidden_because="events came, or are gone, since the look that decides")
        interval = self.estimate.interval
        reach = (interval.high - interval.low) / 2 / self.effect.standard_error
        return fieller(self.effect, 0.05, reach=reach)


def compare(
    level: Level,
    table: Table,
    arms: tuple[str, str],
    taken: Taken = NO_LOOKS,
    *,
    gate: str | None = None,
) -> Comparison | NoEffect:
    """`arms`: the control's key, then the variant's. `gate` says why nothing is to be concluded,
    whatever the numbers are."""
    pairs = table.pairs(*arms)
    effect = effect_of_pairs(level.metric, pairs, cuped=level.plan.cuped)
    if isinstance(effect, NoEffect):
        return effect
    deciding = _deciding(level, effect, taken)
    if gate is not None:
        deciding = replace(deciding, gate=gate)
    estimate = deciding.estimate
    control, treatment = deciding.sides
    comparison = Comparison(
        metric=level.metric.key,
        variant=arms[1],
        segment=table.segment,
        method=METHOD_NAMES[level.plan.method],
        alpha=level.alpha,
        n_control=deciding.effect.n_control,
        n_variant=deciding.effect.n_treatment,
        control=control,
        treatment=treatment,
        values_are=tuple(_values_are(level, table, arms, effect, deciding)),
        estimate=estimate.estimate,
        standard_error=estimate.standard_error,
        interval=estimate.interval,
        p=min([estimate.p, *(look.p for look in taken.looks)]),
        is_gated=deciding.gate is not None,
        gate=deciding.gate,
        variance_reduction=deciding.effect.variance_reduction,
        no_cuped=_value_of(deciding.effect.no_cuped),
        theta=_theta(level, deciding.effect),
        unadjusted=_unadjusted(level, effect, pairs, taken),
        fixed=_fixed(level, effect, pairs),
        running=_running(level, deciding, taken),
        lift=deciding.lift,
        bayesian=_bayesian(level, effect, pairs),
        looks=taken.looks,
    )
    return msgspec.structs.replace(comparison, guardrail=_guardrail(level, comparison))


def _deciding(level: Level, effect: Effect, taken: Taken) -> Deciding:
    sizes = [look.n for look in taken.looks]
    if level.is_daily:
        return Deciding(effect, level.estimate(effect, sizes), level.gate(effect))
    if not taken.looks:
        gate = level.gate(effect) or level.next_look(effect, sizes)
        return Deciding(effect, level.estimate(effect, sizes), gate)
    last = taken.looks[-1]
    seen = taken.last_effect or effect
    stored = Estimate(
        estimate=last.estimate,
        standard_error=seen.standard_error if last.standard_error is None else last.standard_error,
        interval=last.interval,
        p=last.p,
    )
    return Deciding(seen, stored, None)  # what is gated is no look


def _values_are(
    level: Level, table: Table, arms: tuple[str, str], effect: Effect, deciding: Deciding
) -> Iterator[ValuesAre]:
    if deciding.effect.variance_reduction is not None:
        yield ValuesAre.ADJUSTED
    if _are_of_shared_phases(level, table, arms):
        yield ValuesAre.OF_SHARED_PHASES
    if deciding.effect != effect:
        yield ValuesAre.OF_LAST_LOOK


def _are_of_shared_phases(level: Level, table: Table, arms: tuple[str, str]) -> bool:
    """Whether the values of the arms, which are of all phases, have another difference."""
    if len(table.phases) == 1:
        return False
    plain = effect_of_pairs(level.metric, table.pairs(*arms), cuped=False)
    values = [table.arm_value(arm).value for arm in arms]
    if isinstance(plain, NoEffect):
        return False
    return any(
        value is None or not isclose(own, value, abs_tol=1e-9 * plain.standard_error)
        for own, value in zip((plain.value_control, plain.value_treatment), values, strict=True)
    )


def _running(level: Level, deciding: Deciding, taken: Taken) -> Interval | None:
    """What all looks have in common and, where every moment is one, the interval of this moment."""
    running = taken.looks[-1].running if taken.looks else None
    if running is None or deciding.gate is not None or not level.is_daily:
        return running
    return running_intersections([running, deciding.estimate.interval])[-1]


def _value_of(no_cuped: NoCuped | None) -> str | None:
    return None if no_cuped is None else no_cuped.value


def _theta(level: Level, effect: Effect) -> tuple[dict[str, float], ...]:
    names = COVARIATES[level.metric.responses]
    return tuple({names[column]: slope for column, slope in each.items()} for each in effect.theta)


def _unadjusted(level: Level, effect: Effect, pairs: list[Pair], taken: Taken) -> Estimate | None:
    """By the same method, as if this moment were a look."""
    if effect.variance_reduction is None:
        return None
    plain = effect_of_pairs(level.metric, pairs, cuped=False)
    if isinstance(plain, NoEffect):
        return None
    return level.estimate(plain, [look.n for look in taken.looks])


def _fixed(level: Level, effect: Effect, pairs: list[Pair]) -> Estimate | None:
    """Newcombe's where cells are small, of one phase and without CUPED."""
    is_plain = effect.variance_reduction is None and len(pairs) == 1
    if level.metric.kind is MetricKind.CONVERSION and is_plain:
        ((control, treatment),) = pairs
        return conversion(conversions_of(control.day, treatment.day), level.alpha)
    return level.at_once(effect)


def _bayesian(level: Level, effect: Effect, pairs: list[Pair]) -> Bayesian:
    direction, alpha = level.metric.direction, level.plan.alpha
    is_plain = effect.variance_reduction is None and len(pairs) == 1
    if level.metric.kind is MetricKind.CONVERSION and is_plain:
        control = Rate(effect.converted_control, effect.n_control)
        treatment = Rate(effect.converted_treatment, effect.n_treatment)
        return beta_binomial(control, treatment, direction, alpha)
    return normal(effect.difference, effect.standard_error, direction, alpha)


def _guardrail(level: Level, comparison: Comparison) -> GuardrailState | None:
    if level.metric.role is not Role.GUARDRAIL:
        return None
    if comparison.is_gated or comparison.disagrees:
        return GuardrailState.INCONCLUSIVE
    direction, margin = level.metric.direction, level.metric.margin
    state = guardrail_state(comparison.running or comparison.interval, direction, margin)
    now = Interval(low=comparison.estimate, high=comparison.estimate)
    if state is GuardrailState.SAFE and guardrail_state(now, direction, margin) is not state:
        return GuardrailState.INCONCLUSIVE  # earlier looks alone make it safe
    return state
