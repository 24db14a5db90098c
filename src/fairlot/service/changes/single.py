"""Change one experiment or definition: write it, delete it, bring back what it was."""

from sqlalchemy import Connection

from fairlot.manifest.definitions import DocumentKind
from fairlot.manifest.documents import Documents, read_files, without_kind
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import SourceFile
from fairlot.service.actors import Actor
from fairlot.service.changes.planner import Prepared, prepare
from fairlot.service.changes.saving import keep
from fairlot.service.changes.steps import places_of
from fairlot.service.lifecycle import DELETABLE, HOW_TO_END, State
from fairlot.service.missing import not_there
from fairlot.service.project_state import EXPERIMENT, Name, ProjectState, read_state
from fairlot.service.refusals import NotDeletable, NotThere, Refused
from fairlot.store.revisions import find_revision
from fairlot.store.tenants import ProjectRow

BODY = "document"
"""What problems call the text that was sent."""


def put_document(
    connection: Connection,
    tenant: ProjectRow,
    name: Name,
    source: str,
    *,
    actor: Actor,
    now_ms: int,
    reason: str | None = None,
) -> Prepared:
    """Make it, or change it to what one YAML or JSON document says. Raises Refused."""
    state = read_state(connection, tenant)
    documents = _read_one(state, name, source)
    prepared = prepare(state, documents, actor=actor, now_ms=now_ms)
    keep(connection, prepared, actor, now_ms=now_ms, reason=reason)
    return prepared


def delete_document(
    connection: Connection,
    tenant: ProjectRow,
    name: Name,
    *,
    actor: Actor,
    now_ms: int,
    reason: str | None = None,
) -> Prepared:
    """For good: its key is never used again. Raises NotThere, NotDeletable, or Refused when
    something uses it."""
    state = read_state(connection, tenant)
    _demand_live(connection, tenant, state, name)
    experiment = state.experiments.get(name[1]) if name[0] == EXPERIMENT else None
    if experiment is not None and experiment.row.status not in DELETABLE:
        status = State(experiment.row.status)
        raise NotDeletable(name[1], status, HOW_TO_END[status])
    prepared = prepare(state, Documents(), delete=[name], actor=actor, now_ms=now_ms)
    keep(connection, prepared, actor, now_ms=now_ms, reason=reason)
    return prepared


def revert_document(
    connection: Connection,
    tenant: ProjectRow,
    name: Name,
    number: int,
    *,
    actor: Actor,
    now_ms: int,
    reason: str | None = None,
) -> Prepared:
    """A new revision with the text of an earlier one, which also says what state to reach. Raises
    NotThere, or Refused as for any other edit."""
    state = read_state(connection, tenant)
    _demand_live(connection, tenant, state, name)
    revision = find_revision(connection, tenant.id, *name, number)
    if revision is None:
        raise NotThere("revision", f"{name[1]} {number}", "list its revisions")
    if not revision.source:
        why = "it has no text, because the layer was made when an experiment first named it"
        raise NotThere("revision", f"{name[1]} {number}", why)
    documents = _read_one(state, name, revision.source)
    prepared = prepare(state, documents, actor=actor, now_ms=now_ms)
    keep(connection, prepared, actor, now_ms=now_ms, reason=reason, verb="revert")
    return prepared


def _demand_live(
    connection: Connection, tenant: ProjectRow, state: ProjectState, name: Name
) -> None:
    kind, key = name
    stored = state.experiments.get(key) if kind == EXPERIMENT else state.definitions.get(name)
    if stored is None or stored.row.deleted_at_ms is not None:
        raise not_there(connection, tenant, kind, key)


def _read_one(state: ProjectState, name: Name, source: str) -> Documents:
    file = SourceFile(BODY, source)
    problems = () if name[0] == EXPERIMENT else without_kind(file, DocumentKind(name[0]))
    if problems:
        raise Refused(problems)
    documents, problems = read_files([file], state.known())
    if problems:
        raise Refused(problems)
    written = places_of(documents)
    if [*written] != [name]:
        found = ", ".join(f"{kind} {key}" for kind, key in written) or "none"
        fix = f"send one document, of the {name[0]} {name[1]}; a key cannot change"
        raise Refused([SpecProblem(BODY, 1, "", found, fix)])
    return documents
