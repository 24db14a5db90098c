"""Every figure of the method from totals alone, for those who have nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from fairlot.stats.bayes import Rate, beta_binomial, expected_losses, normal, probabilities_best
from fairlot.stats.effects import Effect, NoEffect, effect_of
from fairlot.stats.group_sequential import (
    boundaries,
    crossing,
    equal_fractions,
    obrien_fleming,
    pocock,
)
from fairlot.stats.guardrails import guardrail_state
from fairlot.stats.lifts import fieller
from fairlot.stats.metrics import Direction
from fairlot.stats.moments import Moments
from fairlot.stats.multiplicity import holm
from fairlot.stats.plans import DEFAULT_PLANNED_SIZE
from fairlot.stats.proportions import (
    Conversions,
    effect_of_conversions,
    newcombe,
    pooled,
    unpooled,
)
from fairlot.stats.results import Bayesian, Estimate, GuardrailState, Interval, Lift
from fairlot.stats.sequences import confidence_sequence, gate_of
from fairlot.stats.srm import srm
from fairlot.stats.sufficient import MetricDay
from fairlot.stats.welch import welch


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of what is printed."""


SEQUENTIAL: Final = "sequential"


class Figure(_Part, frozen=True, kw_only=True):
    """`decides`: a report reads its result off this one, or off the sequential one."""

    method: str
    estimate: float
    standard_error: float | None
    z: float | None
    interval: Interval
    p: float
    decides: bool = False


class Comparison(_Part, frozen=True, kw_only=True):
    """An arm against the first. `no_figures_because`: there are none; `gate`: the sequential
    one would not be concluded from. `guardrail` is by the figure that decides, which is of one
    look, `guardrail_sequential` by the one that may be looked at every day."""

    arm: int
    alpha: float
    figures: tuple[Figure, ...] = ()
    no_figures_because: str | None = None
    gate: str | None = None
    lift: Lift | None = None
    bayesian: Bayesian | None = None
    guardrail: GuardrailState | None = None
    guardrail_sequential: GuardrailState | None = None
    p_holm: float | None = None


class ArmFigures(_Part, frozen=True, kw_only=True):
    """`probability_best` and `expected_loss` are among all arms, of rates, if all have subjects."""

    n: int
    value: float | None
    probability_best: float | None = None
    expected_loss: float | None = None


class SampleRatioFigures(_Part, frozen=True, kw_only=True):
    p: float
    chi_square: float
    degrees_of_freedom: int
    chi_square_p: float
    warns: bool
    blocks: bool


class Calculated(_Part, frozen=True, kw_only=True):
    alpha: float
    planned_size: int
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    sample_ratio: SampleRatioFigures


class PlannedLook(_Part, frozen=True, kw_only=True):
    """|z| to be reached by each method; `naive_error`: of 1.96 (of `alpha`) at each look so far."""

    fraction: float
    lan_demets: float | None
    obrien_fleming: float
    pocock: float
    naive_error: float


@dataclass(frozen=True, slots=True)
class Asked:
    """`alpha` is of all comparisons together, `weights` those of the arms (else even)."""

    alpha: float = 0.05
    planned_size: int = DEFAULT_PLANNED_SIZE
    direction: Direction = Direction.INCREASE
    margin: float | None = None
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class MeanTotals:
    """`deviation` with n - 1."""

    mean: float
    deviation: float
    n: int


Arm = TypeVar("Arm", Rate, MeanTotals)


def of_rates(arms: Sequence[Rate], asked: Asked) -> Calculated:
    """Of rates; the first arm is the control."""
    found: Sequence[tuple[float | None, float | None]] = [(None, None)] * len(arms)
    if all(arm.n for arm in arms):
        best = probabilities_best(arms, asked.direction)
        found = list(zip(best, expected_losses(arms, asked.direction), strict=True))
    shown = tuple(
        ArmFigures(
            n=arm.n,
            value=arm.converted / arm.n if arm.n else None,
            probability_best=probability,
            expected_loss=loss,
        )
        for arm, (probability, loss) in zip(arms, found, strict=True)
    )
    return _calculated(arms, shown, asked, _rates_compared)


def of_means(arms: Sequence[MeanTotals], asked: Asked) -> Calculated:
    """Of means. Their skewness is unknown and taken to be none: the gate is a lower bound."""
    shown = tuple(ArmFigures(n=arm.n, value=arm.mean if arm.n else None) for arm in arms)
    return _calculated(arms, shown, asked, _means_compared)


def sample_ratio(counts: Sequence[int], weights: Sequence[float]) -> SampleRatioFigures:
    found = srm(counts, weights)
    return SampleRatioFigures(
        p=found.p,
        chi_square=found.chi_square,
        degrees_of_freedom=found.degrees_of_freedom,
        chi_square_p=found.chi_square_p,
        warns=found.warns,
        blocks=found.blocks,
    )


def planned_looks(looks: int, alpha: float) -> tuple[PlannedLook, ...]:
    """Equally spaced. No boundary of Lan and DeMets: too early to spend anything."""
    fractions = equal_fractions(looks)
    constant = pocock(looks, alpha)
    fixed = boundaries((1.0,), alpha)[0]
    errors = crossing(fractions, [fixed] * looks)
    return tuple(
        PlannedLook(
            fraction=fraction,
            lan_demets=bound if bound < float("inf") else None,
            obrien_fleming=classic,
            pocock=constant,
            naive_error=error,
        )
        for fraction, bound, classic, error in zip(
            fractions,
            boundaries(fractions, alpha),
            obrien_fleming(looks, alpha),
            errors,
            strict=True,
        )
    )


def _calculated(
    arms: Sequence[Arm],
    shown: tuple[ArmFigures, ...],
    asked: Asked,
    compared: Callable[[Arm, Arm, int, float, Asked], Comparison],
) -> Calculated:
    each = asked.alpha / (len(arms) - 1)
    found = [compared(arms[0], arm, index, each, asked) for index, arm in enumerate(arms[1:], 1)]
    return Calculated(
        alpha=asked.alpha,
        planned_size=asked.planned_size,
        arms=shown,
        comparisons=_with_holm(found),
        sample_ratio=sample_ratio([arm.n for arm in arms], asked.weights or (1.0,) * len(arms)),
    )


def _rates_compared(
    control: Rate, treatment: Rate, index: int, alpha: float, asked: Asked
) -> Comparison:
    totals = Conversions(
        converted_control=control.converted,
        n_control=control.n,
        converted_treatment=treatment.converted,
        n_treatment=treatment.n,
    )
    effect = effect_of_conversions(totals)
    if effect is NoEffect.NO_SUBJECTS:
        return _without_figures(index, alpha, effect)
    bayesian = beta_binomial(control, treatment, asked.direction, alpha)
    small = totals.has_a_small_cell or isinstance(effect, NoEffect)
    score = _figure("newcombe", newcombe(totals, alpha), decides=small)
    if isinstance(effect, NoEffect):
        return Comparison(arm=index, alpha=alpha, figures=(score,), bayesian=bayesian)
    textbook = pooled(totals, alpha)
    figures = (
        _figure("unpooled", unpooled(effect, alpha), decides=not small),
        *([] if textbook is None else [_figure("pooled", textbook)]),
        score,
        _figure(SEQUENTIAL, confidence_sequence(effect, asked.planned_size, alpha)),
    )
    return _compared(effect, figures, index, alpha, asked, bayesian, is_conversion=True)


def _means_compared(
    control: MeanTotals, treatment: MeanTotals, index: int, alpha: float, asked: Asked
) -> Comparison:
    effect = effect_of(_measured(control), _measured(treatment))
    if isinstance(effect, NoEffect):
        return _without_figures(index, alpha, effect)
    figures = (
        _figure("welch", welch(effect, alpha), decides=True),
        _figure(SEQUENTIAL, confidence_sequence(effect, asked.planned_size, alpha)),
    )
    bayesian = normal(effect.difference, effect.standard_error, asked.direction, alpha)
    return _compared(effect, figures, index, alpha, asked, bayesian, is_conversion=False)


def _compared(
    effect: Effect,
    figures: tuple[Figure, ...],
    index: int,
    alpha: float,
    asked: Asked,
    bayesian: Bayesian,
    *,
    is_conversion: bool,
) -> Comparison:
    decisive = next(figure for figure in figures if figure.decides)
    sequential = next(figure for figure in figures if figure.method == SEQUENTIAL)
    gate = gate_of(effect, is_conversion, alpha)
    return Comparison(
        arm=index,
        alpha=alpha,
        figures=figures,
        gate=gate,
        lift=fieller(effect, alpha),
        bayesian=bayesian,
        guardrail=_guardrail(decisive, asked),
        guardrail_sequential=_guardrail(sequential, asked, gate),
    )


def _guardrail(figure: Figure, asked: Asked, gate: str | None = None) -> GuardrailState | None:
    if asked.margin is None:
        return None
    if gate is not None:
        return GuardrailState.INCONCLUSIVE
    return guardrail_state(figure.interval, asked.direction, asked.margin)


def _without_figures(index: int, alpha: float, reason: NoEffect) -> Comparison:
    return Comparison(arm=index, alpha=alpha, no_figures_because=reason.value)


def _with_holm(found: Sequence[Comparison]) -> tuple[Comparison, ...]:
    known = [each for each in found if each.figures]
    decisive = [next(part.p for part in each.figures if part.decides) for each in known]
    corrected = dict(zip((each.arm for each in known), holm(decisive), strict=True))
    return tuple(msgspec.structs.replace(each, p_holm=corrected.get(each.arm)) for each in found)


def _figure(method: str, found: Estimate, decides: bool = False) -> Figure:
    error = found.standard_error
    return Figure(
        method=method,
        estimate=found.estimate,
        standard_error=error,
        z=found.estimate / error if error else None,
        interval=found.interval,
        p=found.p,
        decides=decides,
    )


def _measured(totals: MeanTotals) -> MetricDay:
    if totals.n == 0:
        return MetricDay(moments=Moments(0, (0.0,), (0.0,), (0.0,)), converted=0, capped=0)
    products = (totals.deviation**2 * (totals.n - 1),)
    return MetricDay(
        moments=Moments(totals.n, (totals.mean,), products, (0.0,)),
        converted=totals.n,
        capped=0,
    )
