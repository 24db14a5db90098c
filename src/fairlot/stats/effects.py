"""The difference of two arms, and how well it is known: what every interval is made from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from math import sqrt
from typing import Protocol

from fairlot.stats.cuped import Adjustment, NoCuped, adjustment_of
from fairlot.stats.moments import merged
from fairlot.stats.ratios import Response, response_of
from fairlot.stats.sufficient import MetricDay


class NoEffect(StrEnum):
    """Why two arms cannot be compared."""

    NO_SUBJECTS = "no_subjects"
    ONE_SUBJECT = "one_subject"
    NO_DENOMINATOR = "no_denominator"
    NO_VARIANCE = "no_variance"


class Difference(Protocol):
    """All that an interval is made from: treatment minus control, of `n` subjects of both arms."""

    @property
    def difference(self) -> float: ...
    @property
    def standard_error(self) -> float: ...
    @property
    def degrees_of_freedom(self) -> float: ...
    @property
    def n(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """`difference` is treatment minus control; its `standard_error` is positive.

    The values of the arms, and their standard errors, are those that the difference is made of:
    with CUPED adjusted to the covariates' common mean, which then makes them correlated. `theta` is
    by column, for each phase that is adjusted.
    `skewness` is of what is measured of a subject, without CUPED; None of an arm that does not
    vary. `converted`: subjects whose response is not 0. `variance_reduction` is 1 minus
    the ratio of the variances with and without CUPED; else `no_cuped` says why there is none.
    """

    difference: float
    standard_error: float
    degrees_of_freedom: float
    n_control: int
    n_treatment: int
    value_control: float
    value_treatment: float
    se_control: float
    se_treatment: float
    skewness_control: float | None = None
    skewness_treatment: float | None = None
    converted_control: int
    converted_treatment: int
    variance_reduction: float | None = None
    no_cuped: NoCuped | None = None
    theta: tuple[Mapping[int, float], ...] = ()

    @property
    def n(self) -> int:
        """Of both arms."""
        return self.n_control + self.n_treatment

    @property
    def squares(self) -> tuple[float, float]:
        """The parts, control first, of the square of the standard error: without what the values of
        both arms share."""
        control, treatment = self.se_control**2, self.se_treatment**2
        common = (control + treatment - self.standard_error**2) / 2
        return max(control - common, 0.0), max(treatment - common, 0.0)


def merged_days(days: Iterable[MetricDay]) -> MetricDay:
    """All subjects of one metric and arm together, in any order."""
    listed = tuple(days)
    return MetricDay(
        moments=merged(day.moments for day in listed),
        converted=sum(day.converted for day in listed),
        capped=sum(day.capped for day in listed),
    )


def effect_of(
    control: MetricDay, treatment: MetricDay, *, responses: int = 1, cuped: bool = True
) -> Effect | NoEffect:
    """The difference of two means, or of two ratios (`responses=2`), with unequal variances.

    Estimand: the effect of being in the treatment on the mean (the ratio) over the subjects.
    Subjects are independent, arms are drawn at random. Each arm needs two subjects, and one of
    them some variance. With `cuped` and covariates that help, the adjusted difference. The degrees
    of freedom are Welch's (1947), as of the unadjusted arms' sizes.
    """
    return _if_it_varies(_effect(control, treatment, responses, cuped))


def effect_over_phases(
    phases: Iterable[tuple[MetricDay, MetricDay]], *, responses: int = 1, cuped: bool = True
) -> Effect | NoEffect:
    """`effect_of` each phase's (control, treatment), weighted by the phases' numbers of subjects.

    Phases whose shares differ must not be pooled (Simpson's paradox); within each, subjects were
    drawn alike. A phase in which an arm has fewer than two subjects says nothing and is left out;
    when all are, the reason is that of the last.
    """
    known: list[tuple[Effect, float]] = []
    unknown = NoEffect.NO_SUBJECTS
    for control, treatment in phases:
        effect = _effect(control, treatment, responses, cuped)
        if isinstance(effect, NoEffect):
            unknown = effect
        else:
            known.append((effect, effect.n))
    return _if_it_varies(stratified(known)) if known else unknown


def _if_it_varies(effect: Effect | NoEffect) -> Effect | NoEffect:
    if isinstance(effect, Effect) and effect.standard_error == 0:
        return NoEffect.NO_VARIANCE
    return effect


def _effect(
    control_day: MetricDay, treatment_day: MetricDay, responses: int, cuped: bool
) -> Effect | NoEffect:
    """As `effect_of`, but a standard error may be 0."""
    fewest = min(control_day.moments.n, treatment_day.moments.n)
    if fewest < 2:
        return NoEffect.ONE_SUBJECT if fewest else NoEffect.NO_SUBJECTS
    control = response_of(control_day.moments, responses)
    treatment = response_of(treatment_day.moments, responses)
    if control is None or treatment is None:
        return NoEffect.NO_DENOMINATOR
    adjustment = adjustment_of(control, treatment) if cuped else NoCuped.SWITCHED_OFF
    if isinstance(adjustment, NoCuped):
        measured = _plain(control, treatment)
    else:
        measured = _adjusted(control, treatment, adjustment)
    return Effect(
        difference=measured.difference,
        standard_error=sqrt(sum(measured.squares)),
        degrees_of_freedom=welch_degrees(
            (control.moments.n - 1, treatment.moments.n - 1), measured.squares
        ),
        n_control=control.moments.n,
        n_treatment=treatment.moments.n,
        value_control=measured.values[0],
        value_treatment=measured.values[1],
        se_control=sqrt(measured.squares[0] + measured.common),
        se_treatment=sqrt(measured.squares[1] + measured.common),
        skewness_control=control.skewness,
        skewness_treatment=treatment.skewness,
        converted_control=control_day.converted,
        converted_treatment=treatment_day.converted,
        variance_reduction=measured.variance_reduction,
        no_cuped=adjustment if isinstance(adjustment, NoCuped) else None,
        theta=() if isinstance(adjustment, NoCuped) else (adjustment.theta,),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """`squares`: of the standard errors that add up to that of the difference, control first.
    `common`: the variance that the values of both arms share, and the difference does not."""

    difference: float
    values: tuple[float, float]
    squares: tuple[float, float]
    common: float = 0.0
    variance_reduction: float | None = None


def _plain(control: Response, treatment: Response) -> _Measured:
    return _Measured(
        treatment.value - control.value,
        (control.value, treatment.value),
        (control.variance / control.moments.n, treatment.variance / treatment.moments.n),
    )


def _adjusted(control: Response, treatment: Response, adjustment: Adjustment) -> _Measured:
    """Each value less theta times how far its covariates' means are from those of all."""
    n_control, n_treatment = control.moments.n, treatment.moments.n
    n = n_control + n_treatment
    shift = adjustment.shift(control, treatment)
    squares = (
        adjustment.control / (n_control - 1) / n_control,
        adjustment.treatment / (n_treatment - 1) / n_treatment,
    )
    common = sum(
        adjustment.variance_of_covariates(arm) * arm.moments.n / n / n
        for arm in (control, treatment)
    )
    return _Measured(
        treatment.value - control.value - shift,
        (
            control.value + shift * (n_treatment / n),
            treatment.value - shift * (n_control / n),
        ),
        squares,
        common,
        1 - sum(squares) / sum(_plain(control, treatment).squares),
    )


def welch_degrees(degrees: tuple[int, int], squares: tuple[float, float]) -> float:
    """Of the sum of two squared standard errors with degrees of freedom of their own: Welch (1947),
    eq. 28."""
    total = sum(squares)
    if total == 0:
        return float(sum(degrees))
    return 1 / sum((part / total) ** 2 / own for part, own in zip(squares, degrees, strict=True))


def stratified(strata: Sequence[tuple[Effect, float]]) -> Effect:
    """The mean of the strata's effects by their weights, which need not add up to 1.

    Strata are independent, the weights are not estimated: SE^2 = sum w^2 SE^2, the degrees of
    freedom are Satterthwaite's (1946). The skewness is that which one sample of all subjects
    would need for the skewness that the weighted mean has. At least one, with positive weights.
    """
    if len(strata) == 1:
        return strata[0][0]
    whole = sum(weight for _, weight in strata)
    parts = [(effect, weight / whole) for effect, weight in strata]
    square = sum((share * effect.standard_error) ** 2 for effect, share in parts)
    reduced = [effect for effect, _ in parts if effect.variance_reduction is not None]
    return Effect(
        difference=sum(share * effect.difference for effect, share in parts),
        standard_error=sqrt(square),
        degrees_of_freedom=_satterthwaite_degrees(parts, square),
        n_control=sum(effect.n_control for effect, _ in parts),
        n_treatment=sum(effect.n_treatment for effect, _ in parts),
        value_control=sum(share * effect.value_control for effect, share in parts),
        value_treatment=sum(share * effect.value_treatment for effect, share in parts),
        se_control=sqrt(sum((share * effect.se_control) ** 2 for effect, share in parts)),
        se_treatment=sqrt(sum((share * effect.se_treatment) ** 2 for effect, share in parts)),
        skewness_control=common_skewness(
            (share, effect.n_control, effect.se_control, effect.skewness_control)
            for effect, share in parts
        ),
        skewness_treatment=common_skewness(
            (share, effect.n_treatment, effect.se_treatment, effect.skewness_treatment)
            for effect, share in parts
        ),
        converted_control=sum(effect.converted_control for effect, _ in parts),
        converted_treatment=sum(effect.converted_treatment for effect, _ in parts),
        variance_reduction=_common_reduction(parts, square) if reduced else None,
        no_cuped=None if reduced else parts[-1][0].no_cuped,
        theta=tuple(chain.from_iterable(effect.theta for effect, _ in parts)),
    )


def _satterthwaite_degrees(parts: Sequence[tuple[Effect, float]], square: float) -> float:
    if square == 0:
        return sum(effect.degrees_of_freedom for effect, _ in parts)
    return 1 / sum(
        ((share * effect.standard_error) ** 2 / square) ** 2 / effect.degrees_of_freedom
        for effect, share in parts
    )


def common_skewness(
    parts: Iterable[tuple[float, int, float, float | None]],
) -> float | None:
    """A mean of n subjects has the third cumulant g SE^3 / sqrt(n)."""
    n, square, cube = 0, 0.0, 0.0
    for share, subjects, error, skewness in parts:
        n += subjects
        square += (share * error) ** 2
        cube += (skewness or 0.0) * (share * error) ** 3 / sqrt(subjects)
    return sqrt(n) * cube / square**1.5 if square > 0 else None


def _common_reduction(parts: Sequence[tuple[Effect, float]], square: float) -> float:
    unadjusted = sum(
        (share * effect.standard_error) ** 2 / (1 - (effect.variance_reduction or 0.0))
        for effect, share in parts
    )
    return 1 - square / unadjusted
