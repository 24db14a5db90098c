"""How far a document's `status` brings an experiment through its lifecycle."""

from dataclasses import dataclass
from typing import Final

from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.assembly import read_stored
from fairlot.service.changes.steps import problem_at
from fairlot.service.lifecycle import OVER, Action, State, after_edit, satisfies, walk, way_to
from fairlot.service.plan_document import PlanWarning
from fairlot.store.experiments import ExperimentRow

AFRESH: Final = "start afresh under a new key"


@dataclass(frozen=True, slots=True)
class Course:
    """The actions in turn, and the `state` that they lead to. `notes` are for the reader of the
    plan."""

    state: State
    actions: tuple[Action, ...] = ()
    problem: SpecProblem | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()


def course_of(
    spec: ExperimentSpec, row: ExperimentRow, *, edited: bool, review_required: bool
) -> Course:
    here, target = State(row.status), spec.target
    if here in OVER:
        return _over(spec, row, here)
    if here is State.PAUSED and not spec.explicit_status:
        return Course(here, warnings=(_stays_paused(row),))
    start = after_edit(here) if edited else here
    actions = way_to(start, target, review_required=review_required)
    if actions is None:
        return Course(here, problem=_no_way(spec, here))
    state = walk(start, actions, review_required=review_required)
    notes = []
    if start is not here:
        notes.append(f"was {here.value}: what is edited has to be reviewed again")
    warnings = [] if satisfies(state, target) else [_waiting(row.key, state, target)]
    if Action.RESUME in actions:
        warnings.append(_resumed(spec, row))
    return Course(state, actions, notes=tuple(notes), warnings=tuple(warnings))


def _waiting(key: str, state: State, target: TargetStatus) -> PlanWarning:
    sentence = (
        f"stops at {state.value}: somebody other than its author has to approve it before it can be"
        f" {target.value}"
    )
    return PlanWarning(code="waits_for_approval", about=f"experiment:{key}", sentence=sentence)


def _over(spec: ExperimentSpec, row: ExperimentRow, here: State) -> Course:
    """It stays so, whatever a file says: what was ended by hand neither comes back with the next
    apply, nor is the next apply of all the other files refused for it."""
    if satisfies(here, spec.target):
        return Course(here)
    ended = read_stored(row).readable
    rollout = ended.rollout if ended is not None and here is State.COMPLETED else None
    kept = "" if rollout is None else f" and rollout: {rollout}"
    sentence = (
        f"was {here.value}{_why(row)} and stays so, though {spec.file}:{spec.line} asks for"
        f" {spec.target.value}: write status: completed{kept}, or remove the document"
    )
    warning = PlanWarning(code=here.value, about=f"experiment:{row.key}", sentence=sentence)
    return Course(here, warnings=(warning,))


def _stays_paused(row: ExperimentRow) -> PlanWarning:
    """A file that does not speak of the state does not undo what somebody did for a reason."""
    sentence = f"was paused{_why(row)} and stays so: write status: running to resume it"
    return PlanWarning(code="stays_paused", about=f"experiment:{row.key}", sentence=sentence)


def _resumed(spec: ExperimentSpec, row: ExperimentRow) -> PlanWarning:
    sentence = (
        f"was paused{_why(row)} and is resumed, as {spec.file}:{spec.line} asks for"
        f" {spec.target.value}: write status: paused to keep it so"
    )
    return PlanWarning(code="resumed", about=f"experiment:{row.key}", sentence=sentence)


def _why(row: ExperimentRow) -> str:
    return f" ({row.status_reason})" if row.status_reason else ""


def _no_way(spec: ExperimentSpec, state: State) -> SpecProblem:
    what = f"it is {state.value}, and what has started is never a draft again"
    return problem_at(spec, "status", spec.target.value, f"{what}: {AFRESH}")
