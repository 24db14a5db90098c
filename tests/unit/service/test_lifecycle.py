import itertools

import pytest

from fairlot.manifest.spec import TargetStatus
from fairlot.service.lifecycle import (
    TRANSITIONS,
    Action,
    Refusal,
    State,
    after_edit,
    outcome,
    satisfies,
    way_to,
)

# The lifecycle of the design: draft -> review -> approved -> running <-> paused -> completed, and
# kill of what runs or is paused; a rejected one is a draft again.
ALLOWED = {
    ("draft", "submit"): "review",
    ("review", "approve"): "approved",
    ("review", "reject"): "draft",
    ("approved", "reject"): "draft",
    ("approved", "start"): "running",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "complete"): "completed",
    ("paused", "complete"): "completed",
    ("running", "kill"): "killed",
    ("paused", "kill"): "killed",
    ("completed", "rollout"): "completed",
}
ALLOWED_WITHOUT_REVIEW = ALLOWED | {
    ("draft", "start"): "running",
    ("review", "start"): "running",
}
PAIRS = list(itertools.product(State, Action))


@pytest.mark.parametrize("review_required", [False, True])
@pytest.mark.parametrize(("state", "action"), PAIRS)
def test_outcome__every_pair__leads_on_or_says_why_not(
    state: State, action: Action, review_required: bool
) -> None:
    allowed = ALLOWED if review_required else ALLOWED_WITHOUT_REVIEW
    found = outcome(state, action, review_required=review_required)
    if (state, action) in allowed:
        assert found == allowed[state, action]
    else:
        assert isinstance(found, Refusal)
        assert len(found.text) > 10


def test_transitions__every_pair__stands_in_the_table() -> None:
    assert {(state, action) for state, row in TRANSITIONS.items() for action in row} == set(PAIRS)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("draft", "draft"),
        ("review", "draft"),
        ("approved", "draft"),
        ("running", "running"),
        ("paused", "paused"),
        ("completed", "completed"),
    ],
)
def test_edit__what_was_reviewed__is_a_draft_again(state: str, after: str) -> None:
    assert after_edit(State(state)) == after


@pytest.mark.parametrize(
    ("state", "target", "way"),
    [
        ("draft", "draft", ()),
        ("draft", "running", ("start",)),
        ("draft", "paused", ("start", "pause")),
        ("draft", "completed", ("start", "complete")),
        ("review", "draft", ()),
        ("review", "running", ("start",)),
        ("approved", "draft", ()),
        ("approved", "running", ("start",)),
        ("running", "running", ()),
        ("running", "paused", ("pause",)),
        ("running", "completed", ("complete",)),
        ("running", "draft", None),
        ("paused", "running", ("resume",)),
        ("paused", "completed", ("complete",)),
        ("paused", "draft", None),
        ("completed", "completed", ()),
        ("completed", "running", None),
        ("completed", "paused", None),
        ("completed", "draft", None),
        ("killed", "completed", ()),
        ("killed", "running", None),
        ("killed", "paused", None),
        ("killed", "draft", None),
    ],
)
def test_way__without_review__is_the_shortest(
    state: str, target: str, way: tuple[str, ...] | None
) -> None:
    assert way_to(State(state), TargetStatus(target), review_required=False) == way


@pytest.mark.parametrize(
    ("state", "target", "way"),
    [
        ("draft", "draft", ()),
        ("draft", "running", ("submit",)),
        ("draft", "paused", ("submit",)),
        ("draft", "completed", ("submit",)),
        ("review", "running", ()),
        ("review", "completed", ()),
        ("approved", "running", ("start",)),
        ("approved", "paused", ("start", "pause")),
        ("running", "paused", ("pause",)),
        ("paused", "running", ("resume",)),
        ("killed", "running", None),
    ],
)
def test_way__with_review__of_what_nobody_approved_ends_there(
    state: str, target: str, way: tuple[str, ...] | None
) -> None:
    assert way_to(State(state), TargetStatus(target), review_required=True) == way


def test_satisfied__killed__is_as_over_as_completed() -> None:
    assert satisfies(State.KILLED, TargetStatus.COMPLETED)
    assert not satisfies(State.KILLED, TargetStatus.RUNNING)
    assert not satisfies(State.REVIEW, TargetStatus.RUNNING)
