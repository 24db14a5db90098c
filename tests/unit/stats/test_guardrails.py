import pytest

from fairlot.stats.guardrails import guardrail_state
from fairlot.stats.metrics import Direction
from fairlot.stats.results import GuardrailState, Interval


# The cases of Piaggio et al. (2012), figure 1, with a margin of 1; more is better.
@pytest.mark.parametrize(
    ("low", "high", "state"),
    [
        (0.5, 2.0, GuardrailState.SAFE),  # A: better
        (-0.5, 2.0, GuardrailState.SAFE),  # B
        (-0.9, -0.1, GuardrailState.SAFE),  # D: worse, and within the margin
        (-1.5, 0.5, GuardrailState.INCONCLUSIVE),  # E
        (-1.5, -0.5, GuardrailState.INCONCLUSIVE),  # G: worse, perhaps beyond it
        (-2.0, -1.1, GuardrailState.HARMFUL),  # H
    ],
)
def test_guardrail__an_interval_and_a_margin__as_published(
    low: float, high: float, state: GuardrailState
) -> None:
    assert guardrail_state(Interval(low=low, high=high), Direction.INCREASE, 1.0) is state
    assert guardrail_state(Interval(low=-high, high=-low), Direction.DECREASE, 1.0) is state


def test_guardrail__no_margin__any_worsening_counts() -> None:
    assert (
        guardrail_state(Interval(low=-2.0, high=-0.1), Direction.INCREASE, None)
        is GuardrailState.HARMFUL
    )
