"""The fixed-horizon interval of a difference of means."""

from scipy.special import stdtr, stdtrit

from fairlot.stats.effects import Difference
from fairlot.stats.results import Estimate, Interval


def welch(effect: Difference, alpha: float) -> Estimate:
    """Welch's (1947) two-sided test and interval at level 1 - `alpha`, by Student's t.

    Valid once, at a size that was fixed before; under peeking it errs far oftener. Means are
    nearly normal.
    """
    reach = quantile_of(effect, alpha) * effect.standard_error
    return Estimate(
        estimate=effect.difference,
        standard_error=effect.standard_error,
        interval=Interval(low=effect.difference - reach, high=effect.difference + reach),
        p=p_of(effect),
    )


def quantile_of(effect: Difference, alpha: float) -> float:
    """How many standard errors the interval reaches to either side."""
    return -float(stdtrit(effect.degrees_of_freedom, alpha / 2))


def p_of(effect: Difference) -> float:
    t = abs(effect.difference) / effect.standard_error
    return 2 * float(stdtr(effect.degrees_of_freedom, -t))
