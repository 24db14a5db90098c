"""What is done to one experiment beside editing it: start it, pause it, kill it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from fairlot.engine import Experiment
from fairlot.manifest import experiment_from_json, experiment_to_json
from fairlot.service.actors import SYSTEM, Actor, Scope
from fairlot.service.assembly import read_stored
from fairlot.service.audit import record
from fairlot.service.authorship import authors_since_approval
from fairlot.service.changes.conflicts import overlaps
from fairlot.service.changes.experiments import drawn
from fairlot.service.lifecycle import (
    NEEDS_REASON,
    Action,
    ActionRefused,
    Refusal,
    State,
    outcome,
)
from fairlot.service.missing import not_there
from fairlot.service.publishing import publish
from fairlot.service.refusals import MissingScope, ReasonMissing
from fairlot.store.definitions import layer_salts
from fairlot.store.experiments import (
    ExperimentRow,
    experiments_of,
    find_experiment,
    replace_experiments,
)
from fairlot.store.revisions import EXPERIMENT, RevisionRow, add_revisions, steps_of
from fairlot.store.tenants import ProjectRow

_FOR_APPROVERS: Final = frozenset({Action.APPROVE, Action.REJECT})


@dataclass(frozen=True, slots=True)
class Asked:
    """`variant` is what a rollout gives to everybody; None ends it."""

    action: Action
    reason: str | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """`version` is what was published; None when clients see no change."""

    row: ExperimentRow
    version: int | None


@dataclass(frozen=True, slots=True)
class _Case:
    """What a guard may look at."""

    connection: Connection
    tenant: ProjectRow
    row: ExperimentRow
    asked: Asked
    actor: Actor

    @property
    def experiment(self) -> Experiment:
        """Read only where it matters: what cannot be read can still be killed."""
        return experiment_from_json(self.row.document)


def act(
    connection: Connection,
    tenant: ProjectRow,
    key: str,
    asked: Asked,
    *,
    actor: Actor,
    now_ms: int,
) -> Acted:
    """Raises NotThere, MissingScope or ReasonMissing, and ActionRefused when the state of the
    experiment or of the project forbids it."""
    _demand_scope(actor, asked.action)
    row = find_experiment(connection, tenant.id, key)
    if row is None or row.deleted_at_ms is not None:
        raise not_there(connection, tenant, EXPERIMENT, key)
    if asked.action in NEEDS_REASON and not (asked.reason or "").strip():
        raise ReasonMissing(key, asked.action)
    case = _Case(connection, tenant, row, asked, actor)
    reached = outcome(State(row.status), asked.action, review_required=tenant.review_required)
    if isinstance(reached, State):
        guarded = _GUARDS.get(asked.action, _nothing_refused)(case)
        reached = reached if guarded is None else guarded
    if isinstance(reached, Refusal):
        raise ActionRefused(key, asked.action, State(row.status), reached)
    following = _next_row(case, reached, now_ms)
    replace_experiments(connection, [following])
    _put_on_record(case, following, now_ms)
    version = publish(connection, tenant, actor, now_ms=now_ms, note=asked.reason)
    return Acted(following, version)


def scope_of(action: Action) -> Scope:
    """What an actor needs for it."""
    return Scope.APPROVE if action in _FOR_APPROVERS else Scope.WRITE


def _demand_scope(actor: Actor, action: Action) -> None:
    scope = scope_of(action)
    if actor != SYSTEM and scope not in actor.scopes:
        raise MissingScope(action, scope)


def _nothing_refused(_case: _Case) -> Refusal | None:
    return None


def _by_an_author(case: _Case) -> Refusal | None:
    steps = steps_of(case.connection, case.tenant.id, EXPERIMENT, case.row.key)
    if case.actor.name not in authors_since_approval(steps):
        return None
    return Refusal(f"{case.actor.name} is among its authors: somebody else has to approve it")


def _sharing_buckets(case: _Case) -> Refusal | None:
    rows = {**experiments_of(case.connection, case.tenant.id)}
    rows[case.row.key] = replace(case.row, status=State.RUNNING.value)
    live = [read_stored(row) for row in rows.values() if row.deleted_at_ms is None]
    for overlap in overlaps(live, [case.row.key]):
        return Refusal(overlap.sentence)
    return None


def _not_to_roll_out(case: _Case) -> Refusal | None:
    wanted, current = case.asked.variant, case.experiment.rollout
    unreviewed = case.tenant.review_required and Scope.APPROVE not in case.actor.scopes
    if wanted is not None and unreviewed and case.actor != SYSTEM:
        raise MissingScope(Action.ROLLOUT, Scope.APPROVE)
    if wanted == current:
        told = (
            "it has no rollout: name a variant" if wanted is None else f"it gives {wanted} already"
        )
        return Refusal(told)
    if wanted is not None and case.experiment.variant(wanted) is None:
        known = ", ".join(variant.key for variant in case.experiment.variants)
        return Refusal(f"{wanted} is none of its variants: name one of {known}")
    return None


_GUARDS: Final[Mapping[Action, Callable[[_Case], Refusal | None]]] = {
    Action.APPROVE: _by_an_author,
    Action.START: _sharing_buckets,
    Action.RESUME: _sharing_buckets,
    Action.ROLLOUT: _not_to_roll_out,
}


def _next_row(case: _Case, reached: State, now_ms: int) -> ExperimentRow:
    action, row = case.asked.action, case.row
    following = replace(
        row,
        status=reached.value,
        status_reason=case.asked.reason,
        approved_by=case.actor.name if action is Action.APPROVE else row.approved_by,
        revision=row.revision + 1,
        updated_at_ms=now_ms,
    )
    if action is Action.REJECT:
        return replace(following, approved_by=None)
    if action is Action.ROLLOUT:
        rolled_out = replace(case.experiment, rollout=case.asked.variant)
        return replace(following, document=experiment_to_json(rolled_out))
    if action is Action.START:
        layer = case.experiment.layer
        salts = layer_salts(case.connection, case.tenant.id)
        started = replace(following, started_at_ms=now_ms)
        return drawn(started, case.experiment, None if layer is None else salts[layer.key])
    return following


def _put_on_record(case: _Case, row: ExperimentRow, now_ms: int) -> None:
    asked = case.asked
    revision = RevisionRow(
        project_id=row.project_id,
        kind=EXPERIMENT,
        key=row.key,
        number=row.revision,
        at_ms=now_ms,
        author=case.actor.name,
        action=asked.action.value,
        reason=asked.reason,
        status=row.status,
        document=row.document,
        source=row.source,
    )
    add_revisions(case.connection, [revision])
    said = {"reason": asked.reason, "variant": asked.variant}
    record(
        case.connection,
        case.tenant.organization_id,
        case.actor,
        f"{EXPERIMENT}.{asked.action}",
        now_ms=now_ms,
        project=case.tenant.key,
        target=f"{EXPERIMENT}:{row.key}",
        details={
            "revision": row.revision,
            "status": row.status,
            **{name: value for name, value in said.items() if value is not None},
        },
    )
