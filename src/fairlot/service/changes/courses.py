"""How far a document's `status` brings an experiment through its lifecycle."""

from dataclasses import dataclass
from typing import Final

from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.changes.steps import problem_at
from fairlot.service.lifecycle import Action, State, after_edit, satisfies, walk, way_to
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
    if here is State.KILLED:
        return _killed(spec, row)
    start = after_edit(here) if edited else here
    actions = way_to(start, target, review_required=review_required)
    if actions is None:
        return Course(here, problem=_no_way(spec, here))
    state = walk(start, actions, review_required=review_required)
    notes = []
    if start is not here:
        notes.append(f"was {here.value}: what is edited has to be reviewed again")
    warnings = () if satisfies(state, target) else (_waiting(row.key, state, target),)
    return Course(state, actions, notes=tuple(notes), warnings=warnings)


def _waiting(key: str, state: State, target: TargetStatus) -> PlanWarning:
    sentence = (
        f"stops at {state.value}: somebody other than its author has to approve it before it can be"
        f" {target.value}"
    )
    return PlanWarning(code="waits_for_approval", about=f"experiment:{key}", sentence=sentence)


def _killed(spec: ExperimentSpec, row: ExperimentRow) -> Course:
    """It stays so, whatever a file says: what was stopped in an emergency neither comes back with
    the next apply, nor is the next apply refused for it."""
    if satisfies(State.KILLED, spec.target):
        return Course(State.KILLED)
    why = f" ({row.status_reason})" if row.status_reason else ""
    sentence = (
        f"was killed{why} and stays so, though {spec.file}:{spec.line} asks for"
        f" {spec.target.value}: write status: completed, or remove the document"
    )
    warning = PlanWarning(code="killed", about=f"experiment:{row.key}", sentence=sentence)
    return Course(State.KILLED, warnings=(warning,))


def _no_way(spec: ExperimentSpec, state: State) -> SpecProblem:
    if spec.target is TargetStatus.DRAFT:
        what = f"it is {state.value}, and what has started is never a draft again"
    else:
        what = f"it is {state.value}, and does not run again"
    return problem_at(spec, "status", spec.target.value, f"{what}: {AFRESH}")
