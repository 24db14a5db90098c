"""The states of an experiment, and what leads from one to another."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fairlot.engine import FairlotError
from fairlot.manifest.spec import TargetStatus


class State(StrEnum):
    DRAFT = "draft"
    REVIEW = "review"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    KILLED = "killed"


class Action(StrEnum):
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    KILL = "kill"
    ROLLOUT = "rollout"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`text` goes on after "key: " and says what to do."""

    text: str


@dataclass(frozen=True, slots=True)
class Unreviewed:
    """Leads to `state` where the project asks for no review, and is refused where it does."""

    state: State
    refusal: Refusal


Cell = State | Refusal | Unreviewed

NOT_STARTED: Final = frozenset({State.DRAFT, State.REVIEW, State.APPROVED})
UNDER_REVIEW: Final = frozenset({State.REVIEW, State.APPROVED})
STARTED: Final = frozenset({State.RUNNING, State.PAUSED})
OVER: Final = frozenset({State.COMPLETED, State.KILLED})
DELETABLE: Final = frozenset({State.DRAFT, *OVER})
NEEDS_REASON: Final = frozenset({Action.REJECT, Action.KILL})

_UNSEEN = Refusal("it has not started, and nobody is served it: delete it if it is not wanted")
_START_FIRST = Refusal("it has not started: start it first")
_COMPLETE_FIRST = Refusal("only a completed experiment rolls out: complete it, or set divertTo")
_IN_REVIEW = Refusal("it is in review already: wait until somebody approves it")
_IS_APPROVED = Refusal("it is approved already: start it")
_RUNS = Refusal("it runs already: edit it, pause it or complete it")
_PAUSED = Refusal("it is paused: resume it or complete it")
_UNREVIEWABLE = Refusal("it has started, and what has started is not reviewed again: edit it")
_NOT_REJECTABLE = Refusal("it has started: pause it, or kill it")
_COMPLETED = Refusal("it is completed, which is final: start afresh under a new key")
_KILLED = Refusal("it is killed, which is final: start afresh under a new key")

TRANSITIONS: Final[Mapping[State, Mapping[Action, Cell]]] = {
    State.DRAFT: {
        Action.SUBMIT: State.REVIEW,
        Action.APPROVE: Refusal("it is a draft that nobody has submitted: submit it first"),
        Action.REJECT: Refusal("it is a draft already: edit it, then submit it"),
        Action.START: Unreviewed(
            State.RUNNING, Refusal("this project asks for a review: submit it first")
        ),
        Action.PAUSE: _START_FIRST,
        Action.RESUME: _START_FIRST,
        Action.COMPLETE: _START_FIRST,
        Action.KILL: _UNSEEN,
        Action.ROLLOUT: _COMPLETE_FIRST,
    },
    State.REVIEW: {
        Action.SUBMIT: _IN_REVIEW,
        Action.APPROVE: State.APPROVED,
        Action.REJECT: State.DRAFT,
        Action.START: Unreviewed(
            State.RUNNING,
            Refusal("it is in review: somebody other than its author has to approve it first"),
        ),
        Action.PAUSE: _START_FIRST,
        Action.RESUME: _START_FIRST,
        Action.COMPLETE: _START_FIRST,
        Action.KILL: Refusal("it has not started, and nobody is served it: reject it"),
        Action.ROLLOUT: _COMPLETE_FIRST,
    },
    State.APPROVED: {
        Action.SUBMIT: _IS_APPROVED,
        Action.APPROVE: _IS_APPROVED,
        Action.REJECT: State.DRAFT,
        Action.START: State.RUNNING,
        Action.PAUSE: _START_FIRST,
        Action.RESUME: _START_FIRST,
        Action.COMPLETE: _START_FIRST,
        Action.KILL: Refusal("it has not started, and nobody is served it: reject it"),
        Action.ROLLOUT: _COMPLETE_FIRST,
    },
    State.RUNNING: {
        Action.SUBMIT: _UNREVIEWABLE,
        Action.APPROVE: _UNREVIEWABLE,
        Action.REJECT: _NOT_REJECTABLE,
        Action.START: _RUNS,
        Action.PAUSE: State.PAUSED,
        Action.RESUME: _RUNS,
        Action.COMPLETE: State.COMPLETED,
        Action.KILL: State.KILLED,
        Action.ROLLOUT: _COMPLETE_FIRST,
    },
    State.PAUSED: {
        Action.SUBMIT: _UNREVIEWABLE,
        Action.APPROVE: _UNREVIEWABLE,
        Action.REJECT: _NOT_REJECTABLE,
        Action.START: _PAUSED,
        Action.PAUSE: _PAUSED,
        Action.RESUME: State.RUNNING,
        Action.COMPLETE: State.COMPLETED,
        Action.KILL: State.KILLED,
        Action.ROLLOUT: _COMPLETE_FIRST,
    },
    State.COMPLETED: {
        Action.SUBMIT: _COMPLETED,
        Action.APPROVE: _COMPLETED,
        Action.REJECT: _COMPLETED,
        Action.START: _COMPLETED,
        Action.PAUSE: _COMPLETED,
        Action.RESUME: _COMPLETED,
        Action.COMPLETE: Refusal("it is completed already: roll out a variant, or delete it"),
        Action.KILL: Refusal("it is completed: end its rollout, if it has one"),
        Action.ROLLOUT: State.COMPLETED,
    },
    State.KILLED: {
        Action.SUBMIT: _KILLED,
        Action.APPROVE: _KILLED,
        Action.REJECT: _KILLED,
        Action.START: _KILLED,
        Action.PAUSE: _KILLED,
        Action.RESUME: _KILLED,
        Action.COMPLETE: _KILLED,
        Action.KILL: Refusal("it is killed already"),
        Action.ROLLOUT: Refusal("it was killed, and what was killed rolls out nothing"),
    },
}

HOW_TO_END: Final[Mapping[State, str]] = {
    State.REVIEW: "reject it first",
    State.APPROVED: "reject it first",
    State.RUNNING: "complete it or kill it first",
    State.PAUSED: "complete it or kill it first",
}
"""What comes before the deletion of what is not deleted as it is."""

# What `apply` may do by itself on the way to the state that a file names.
_APPLIED: Final = (Action.START, Action.PAUSE, Action.RESUME, Action.COMPLETE)


class ActionRefused(FairlotError):
    """An action that the state of the experiment does not allow."""

    code = "action_refused"

    def __init__(self, key: str, action: Action, state: State, refusal: Refusal) -> None:
        self.key = key
        self.action = action
        self.state = state
        self.refusal = refusal
        super().__init__(f"{key}: {action} is refused: {refusal.text}")


def outcome(state: State, action: Action, *, review_required: bool) -> State | Refusal:
    """Where an action leads, or why it leads nowhere."""
    cell = TRANSITIONS[state][action]
    if isinstance(cell, Unreviewed):
        return cell.refusal if review_required else cell.state
    return cell


def after_edit(state: State) -> State:
    """Whatever was reviewed is not what stands there now."""
    return State.DRAFT if state in UNDER_REVIEW else state


def satisfies(state: State, target: TargetStatus) -> bool:
    """Whether a file that asks for `target` asks for no change of state.

    `draft` says that it shall not start; a killed experiment is as over as a completed one.
    """
    if target is TargetStatus.DRAFT:
        return state in NOT_STARTED
    if target is TargetStatus.COMPLETED:
        return state in OVER
    return state.value == target.value


def walk(state: State, actions: Iterable[Action], *, review_required: bool) -> State:
    """Where actions that are all allowed lead, one after the other."""
    for action in actions:
        reached = outcome(state, action, review_required=review_required)
        if not isinstance(reached, State):
            raise LookupError(f"{action} leads nowhere from {state}")
        state = reached
    return state


def way_to(
    state: State, target: TargetStatus, *, review_required: bool
) -> tuple[Action, ...] | None:
    """The actions that `apply` takes; None when there is no way.

    Where the project asks for a review, the way of a draft ends with its submission, and there is
    nothing to do but wait while it is in review.
    """
    if satisfies(state, target):
        return ()
    found = _shortest(state, State(target), review_required)
    if found is None and review_required and state in NOT_STARTED:
        return (Action.SUBMIT,) if state is State.DRAFT else ()
    return found


def _shortest(state: State, target: State, review_required: bool) -> tuple[Action, ...] | None:
    ways: dict[State, tuple[Action, ...]] = {state: ()}
    to_visit = deque([state])
    while to_visit:
        here = to_visit.popleft()
        for action in _APPLIED:
            reached = outcome(here, action, review_required=review_required)
            if isinstance(reached, State) and reached not in ways:
                ways[reached] = (*ways[here], action)
                to_visit.append(reached)
    return ways.get(target)
