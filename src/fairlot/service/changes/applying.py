"""Plan what files change in a project, and apply it: all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec import Struct
from sqlalchemy import Connection

from fairlot.manifest.definitions import HoldoutDefinition, KnownDefinitions
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import SourceFile
from fairlot.service.actors import Actor
from fairlot.service.assembly import read_stored_definition
from fairlot.service.changes.comparing import crossing_warnings, live_manifest
from fairlot.service.changes.planner import Prepared, may_be_deleted, missing, prepare
from fairlot.service.changes.redefinitions import redefinition_warnings
from fairlot.service.changes.renames import rename_warnings
from fairlot.service.changes.saving import keep
from fairlot.service.effects import effects_of
from fairlot.service.plan_document import Effect, NotInFiles, PlannedChange, PlanWarning
from fairlot.service.project_state import ProjectState, read_state
from fairlot.service.refusals import Refused, StalePlan
from fairlot.store.definitions import definitions_of
from fairlot.store.experiments import newest_manifest
from fairlot.store.revisions import newest_revision
from fairlot.store.tenants import ProjectRow


@dataclass(frozen=True, slots=True)
class Asked:
    """`base` is that of the plan that somebody has looked at. With `allow_deletes` whatever is in
    no file is deleted, if it has not started or is over."""

    files: Sequence[SourceFile]
    allow_deletes: bool = False
    base: str | None = None
    reason: str | None = None


class Applied(Struct, frozen=True, kw_only=True, rename="camel"):
    """`version` is what was published; null when clients see no change. `base` is that of the next
    plan. In `effects` nobody is counted: that would hold up every other change."""

    version: int | None
    base: str
    changes: tuple[PlannedChange, ...]
    effects: tuple[Effect, ...]
    warnings: tuple[PlanWarning, ...]
    not_in_files: tuple[NotInFiles, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A prepared change and what it leaves alone; `base` tags the state that it was planned on."""

    prepared: Prepared
    not_in_files: tuple[NotInFiles, ...]
    base: str


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What files say, or what is wrong with them, in a project that has what is `known`."""

    known: KnownDefinitions
    documents: Documents
    problems: tuple[SpecProblem, ...]


def read_ahead(connection: Connection, tenant: ProjectRow, asked: Asked) -> FilesRead:
    """For `apply_files`, before its transaction is begun: that takes seconds for 1,000 files, and
    whoever writes holds up all others."""
    stored = map(read_stored_definition, definitions_of(connection, tenant.id))
    live = tuple(each.definition for each in stored if each.row.deleted_at_ms is None)
    return _read(asked, _known(KnownDefinitions(live), asked.allow_deletes))


def plan_files(
    connection: Connection,
    tenant: ProjectRow,
    asked: Asked,
    *,
    actor: Actor,
    now_ms: int,
    read: FilesRead | None = None,
) -> Planned:
    """`read` is what `read_ahead` gave for the same files, if it did. Raises Refused with every
    problem, StalePlan when `base` is not the state of now."""
    state = read_state(connection, tenant)
    base = base_of(connection, state)
    if asked.base is not None and asked.base != base:
        raise StalePlan(asked.base, _since(connection, state, asked.base))
    known = _known(state.known(), asked.allow_deletes)
    if read is None or read.known != known:
        read = _read(asked, known)
    documents, problems = read.documents, read.problems
    if not problems and documents == Documents():
        problems = (SpecProblem("", 0, "", "", "no experiment or definition in any file"),)
    if problems:
        raise Refused(problems)
    left = missing(state, documents)
    delete = [each for each in left if asked.allow_deletes and may_be_deleted(each)]
    prepared = prepare(
        state,
        documents,
        delete=[(each.kind.value, each.key) for each in delete],
        actor=actor,
        now_ms=now_ms,
    )
    kept = tuple(each for each in left if each not in delete)
    renames = rename_warnings(prepared.after, prepared.changes, kept)
    redefinitions = redefinition_warnings(connection, state, prepared.after)
    warnings = (*prepared.warnings, *renames, *redefinitions)
    prepared = replace(prepared, warnings=warnings)
    return Planned(prepared, kept, base)


def apply_files(
    connection: Connection,
    tenant: ProjectRow,
    asked: Asked,
    *,
    actor: Actor,
    now_ms: int,
    read: FilesRead | None = None,
) -> Applied:
    """Plan, keep and publish in the caller's transaction. Raises as `plan_files`."""
    planned = plan_files(connection, tenant, asked, actor=actor, now_ms=now_ms, read=read)
    prepared = planned.prepared
    live, after = live_manifest(connection, tenant), prepared.after.manifest()
    version = keep(connection, prepared, actor, now_ms=now_ms, reason=asked.reason)
    return Applied(
        version=version,
        base=base_of(connection, prepared.after),
        changes=prepared.changes,
        effects=effects_of(live, after, None, now_ms=now_ms).effects,
        warnings=(*prepared.warnings, *crossing_warnings(live, after)),
        not_in_files=planned.not_in_files,
    )


def base_of(connection: Connection, state: ProjectState) -> str:
    """The newest version and a tag of all revisions: what a plan is made on."""
    newest = newest_manifest(connection, state.tenant.id)
    return f"{'-' if newest is None else newest.version}.{state.tag()}"


def _since(connection: Connection, state: ProjectState, base: str) -> str:
    """What has happened since a plan was made, as far as its base tells."""
    newest = newest_manifest(connection, state.tenant.id)
    if newest is not None and base.partition(".")[0] != str(newest.version):
        return f"version {newest.version} was published since by {newest.author or 'somebody'}"
    last = newest_revision(connection, state.tenant.id)
    if last is None:
        return "the project is another one"
    return f"{last.kind} {last.key} was changed since by {last.author} ({last.action})"


def _read(asked: Asked, known: KnownDefinitions) -> FilesRead:
    return FilesRead(known, *read_files(asked.files, known))


def _known(known: KnownDefinitions, allow_deletes: bool) -> KnownDefinitions:
    """A holdout that is in no file makes way for another, where deletes are allowed."""
    if not allow_deletes:
        return known
    return KnownDefinitions(
        tuple(each for each in known.definitions if not isinstance(each, HoldoutDefinition))
    )
