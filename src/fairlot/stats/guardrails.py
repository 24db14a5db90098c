"""Whether a guardrail holds: non-inferiority against a margin."""

from fairlot.stats.metrics import Direction
from fairlot.stats.results import GuardrailState, Interval


def guardrail_state(
    interval: Interval, direction: Direction, margin: float | None
) -> GuardrailState:
    """Where the interval of the difference lies to the largest worsening that is tolerated.

    Safe when all of it is better than that, harmful when all of it is worse; Piaggio et al. (2012,
    JAMA 308, 2594), figure 1. Safe can be worse than the control: within the margin. None is 0.
    """
    worst, best = (
        (interval.low, interval.high)
        if direction is Direction.INCREASE
        else (-interval.high, -interval.low)
    )
    tolerated = -(margin or 0.0)
    if worst > tolerated:
        return GuardrailState.SAFE
    if best < tolerated:
        return GuardrailState.HARMFUL
    return GuardrailState.INCONCLUSIVE
