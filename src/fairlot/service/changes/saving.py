"""Keep a prepared change: rows, revisions and audit records, and publish what clients see of it."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from fairlot.service.actors import Actor
from fairlot.service.audit import AuditEntry, Json, record_all
from fairlot.service.authorship import COMMENT
from fairlot.service.changes.fields import SOURCE
from fairlot.service.changes.planner import Prepared
from fairlot.service.changes.steps import AnyStep
from fairlot.service.plan_document import ChangeAction
from fairlot.service.publishing import publish
from fairlot.store.definitions import add_definitions, replace_definitions
from fairlot.store.experiments import ExperimentRow, add_experiments, replace_experiments
from fairlot.store.revisions import RevisionRow, add_revisions


class _Made(NamedTuple):
    """Who made a change, when and why."""

    by: str
    at_ms: int
    reason: str | None


def keep(
    connection: Connection,
    prepared: Prepared,
    actor: Actor,
    *,
    now_ms: int,
    reason: str | None = None,
    verb: str | None = None,
) -> int | None:
    """In the caller's transaction. The version that was published; None when clients see no
    change. `verb` is what records call it, if it is not what each document's change is called."""
    definitions = [step for step in prepared.definitions if step.changes]
    experiments = [step for step in prepared.experiments if step.changes]
    add_definitions(connection, [step.after for step in definitions if step.before is None])
    replace_definitions(connection, [step.after for step in definitions if step.before])
    add_experiments(connection, [step.after for step in experiments if step.before is None])
    replace_experiments(connection, [step.after for step in experiments if step.before])
    steps: list[AnyStep] = [*definitions, *experiments]
    verbs = [verb or _verb(step) for step in steps]
    made = _Made(actor.name, now_ms, reason)
    add_revisions(connection, [_revision(*each, made) for each in zip(steps, verbs, strict=True)])
    tenant = prepared.before.tenant
    record_all(
        connection,
        tenant.organization_id,
        actor,
        [entry for each in zip(steps, verbs, strict=True) for entry in _entries(*each, reason)],
        now_ms=now_ms,
        project=tenant.key,
    )
    return publish(
        connection,
        tenant,
        actor,
        now_ms=now_ms,
        note=reason,
        served=prepared.after.manifest(),
        specs=prepared.documents.experiments,
    )


def _verb(step: AnyStep) -> str:
    """A change of nothing but the state is called by the action that led there."""
    if step.change.action is ChangeAction.STATUS:
        return step.actions[-1].value
    if step.change.fields == (SOURCE,):
        return COMMENT
    return step.change.action.value


def _revision(step: AnyStep, verb: str, made: _Made) -> RevisionRow:
    row = step.after
    return RevisionRow(
        project_id=row.project_id,
        kind=step.change.kind.value,
        key=row.key,
        number=row.revision,
        at_ms=made.at_ms,
        author=made.by,
        action=verb,
        reason=made.reason,
        status=row.status if isinstance(row, ExperimentRow) else None,
        document=row.document,
        source=row.source,
    )


def _entries(step: AnyStep, verb: str, reason: str | None) -> Iterator[AuditEntry]:
    """Of the change, and of each action that it takes: whoever looks for what was started finds
    what a file has started too."""
    row, change = step.after, step.change
    noun = "experiment" if isinstance(row, ExperimentRow) else "definition"
    target = f"{change.kind.value}:{row.key}"
    details: dict[str, Json] = {"revision": row.revision}
    if isinstance(row, ExperimentRow):
        details["status"] = row.status
    if reason is not None:
        details["reason"] = reason
    if verb not in step.actions:
        fields = [field.path for field in change.fields]
        yield AuditEntry(f"{noun}.{verb}", target, {**details, "fields": fields})
    for action in step.actions:
        yield AuditEntry(f"{noun}.{action}", target, details)
