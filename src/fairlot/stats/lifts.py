"""The relative difference, treatment over control minus 1."""

from math import sqrt

from fairlot.stats.effects import Effect
from fairlot.stats.results import Interval, Lift
from fairlot.stats.welch import quantile_of


def fieller(effect: Effect, alpha: float, *, reach: float | None = None) -> Lift:
    """Fieller's (1954) interval of a ratio of two means, less 1.

    It holds the lifts r whose difference, treatment - (1 + r) control, is within `reach` of its
    own standard errors from 0. So it leaves out 0 exactly when the interval of the difference
    does that reaches as far: pass how many standard errors that reaches (of a confidence sequence
    too; then the lift holds at every look as well). By default Student's t at `alpha`. Hidden
    unless the control's value is more than that above 0; there the interval would have no end.
    """
    reach = quantile_of(effect, alpha) if reach is None else reach
    base, change = effect.value_control, effect.difference
    base_square, square = effect.se_control**2, effect.standard_error**2
    if base <= reach * effect.se_control or base <= 0:
        return Lift(hidden_because="the value of the control is not clearly above zero")
    # The covariance of the difference and the control; minus the variance of the latter,
    # unless CUPED has tied the arms to one mean of the covariates.
    shared = (effect.se_treatment**2 - base_square - square) / 2
    scale = base**2 - reach**2 * base_square
    middle = base * change - reach**2 * shared
    spread = (
        base**2 * square
        - 2 * base * change * shared
        + change**2 * base_square
        - reach**2 * (square * base_square - shared**2)
    )
    half = reach * sqrt(max(spread, 0.0))
    return Lift(
        estimate=change / base,
        interval=Interval(low=(middle - half) / scale, high=(middle + half) / scale),
    )
