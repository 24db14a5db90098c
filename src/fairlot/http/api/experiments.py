"""Experiments, and what is done to them."""

from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Connection

from fairlot.http.api.documents import document_routes
from fairlot.http.api.nouns import Noun, answer, check, there
from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer, Route
from fairlot.http.texts import Sentence
from fairlot.service.actions import Asked, act, scope_of
from fairlot.service.actors import Scope
from fairlot.service.assembly import Stored, read_stored
from fairlot.service.lifecycle import Action, State
from fairlot.store.experiments import ExperimentRow, experiments_of, find_experiment
from fairlot.store.revisions import EXPERIMENT
from fairlot.store.tenants import ProjectRow


class ListExperiments(
    Paging, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """`search` finds what is part of a key, a name, an owner or a tag, in any case."""

    status: State | None = None
    search: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class ExperimentItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`statusReason` is why it was killed or rejected, `author` who wrote what it is now."""

    key: str
    id: str
    name: str
    type: str
    status: str
    status_reason: str | None
    owner: str | None
    tags: tuple[str, ...]
    revision: int
    author: str | None
    approved_by: str | None
    created_at: str
    updated_at: str
    started_at: str | None


class ExperimentDocument(ExperimentItem, frozen=True, kw_only=True, rename="camel"):
    """`source` is the text that it was written as, `experiment` how it is understood, in the fields
    of a manifest."""

    description: str | None
    hypothesis: str | None
    metrics: tuple[dict[str, Any], ...]
    analysis: dict[str, Any] | None
    source: str
    experiment: dict[str, Any]


class Done(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`version` is what was published for it; null when clients see no change."""

    experiment: ExperimentDocument
    version: int | None


class Do(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Sentence | None = None


class DoFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Sentence


class RollOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`variant` null ends the rollout."""

    variant: Annotated[str, msgspec.Meta(max_length=32)] | None
    reason: Sentence | None = None


def list_experiments(call: Call[ListExperiments]) -> Outcome:
    rows = experiments_of(call.connection, call.tenant.id).values()
    found = [read_stored(row) for row in rows if row.deleted_at_ms is None]
    return page_of_all(
        call,
        [each for each in found if _is_asked_for(each, call.asked)],
        lambda each: (each.row.key,),
        _item,
    )


def _is_asked_for(each: Stored, asked: ListExperiments) -> bool:
    if asked.status is not None and each.row.status != asked.status:
        return False
    wanted = (asked.search or "").casefold()
    name = "" if each.readable is None else each.readable.name
    texts = (each.row.key, name, each.row.owner or "", *each.row.tags)
    return any(wanted in text.casefold() for text in texts)


def _item(each: Stored) -> ExperimentItem:
    row, experiment = each.row, each.readable
    return ExperimentItem(
        key=row.key,
        id=row.id,
        name=row.key if experiment is None else experiment.name,
        type="" if experiment is None else experiment.type.value,
        status=row.status,
        status_reason=row.status_reason,
        owner=row.owner,
        tags=tuple(row.tags),
        revision=row.revision,
        author=row.author,
        approved_by=row.approved_by,
        created_at=written(row.created_at_ms),
        updated_at=written(row.updated_at_ms),
        started_at=written(row.started_at_ms),
    )


def _document(row: ExperimentRow) -> ExperimentDocument:
    return ExperimentDocument(
        **msgspec.structs.asdict(_item(read_stored(row))),
        description=row.description,
        hypothesis=row.hypothesis,
        metrics=tuple(dict(metric) for metric in row.metrics),
        analysis=None if row.analysis is None else dict(row.analysis),
        source=row.source,
        experiment=msgspec.json.decode(row.document),
    )


def _find(connection: Connection, tenant: ProjectRow, key: str) -> ExperimentRow | None:
    row = find_experiment(connection, tenant.id, key)
    return None if row is None or row.deleted_at_ms is not None else row


NOUN: Final = Noun(EXPERIMENT, "experiments", _find, _document, ExperimentDocument)
_SUMMARIES: Final = {
    Action.SUBMIT: "Ask for a review of an experiment",
    Action.APPROVE: "Approve an experiment that somebody else has written",
    Action.REJECT: "Send an experiment back to draft",
    Action.START: "Start an experiment",
    Action.PAUSE: "Pause an experiment: nobody gets a variant, and nobody is forgotten",
    Action.RESUME: "Resume a paused experiment",
    Action.COMPLETE: "Complete an experiment, for good",
    Action.KILL: "End an experiment at once, for good",
    Action.ROLLOUT: "Give a variant of a completed experiment to everybody, or end that",
}
_ASKED: Final[dict[Action, type[Do | DoFor | RollOut]]] = {
    **dict.fromkeys(Action, Do),
    Action.REJECT: DoFor,
    Action.KILL: DoFor,
    Action.ROLLOUT: RollOut,
}


def _action_route(action: Action) -> Route:
    def handle(call: Call[Any]) -> Outcome:
        check(NOUN, call, there(NOUN, call))
        variant = call.asked.variant if isinstance(call.asked, RollOut) else None
        asked = Asked(action, call.asked.reason, variant)
        acted = act(
            call.connection,
            call.tenant,
            call.path["key"],
            asked,
            actor=call.actor,
            now_ms=call.now_ms,
        )
        done = Done(experiment=_document(acted.row), version=acted.version)
        return Outcome(done, etag=answer(NOUN, acted.row).etag)

    return write(
        "POST",
        f"{NOUN.path}/actions/{action}",
        _SUMMARIES[action],
        scope_of(action),
        handle,
        {200: Answer("It is done.", (Done,), headers=("ETag",))},
        request=_ASKED[action],
        conditional=True,
        errors=(409,),
    )


ROUTES: Final = (
    read(
        NOUN.list_path,
        "List the experiments of a project, by key",
        Scope.READ,
        list_experiments,
        {200: Answer("One page.", (Page[ExperimentItem],))},
        query=ListExperiments,
    ),
    *document_routes(NOUN),
    *(_action_route(action) for action in Action),
)
