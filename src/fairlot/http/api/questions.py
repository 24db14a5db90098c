"""What a subject would get, and why. Nothing is recorded."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec

from fairlot.engine import Context, Decision, Device, Explanation, Reason
from fairlot.http.faces.assignment_wire import MAX_VISITOR_ID, Trace, trace_of
from fairlot.http.management import Call, Outcome, ask
from fairlot.http.problems import invalid_fields
from fairlot.http.registry import Answer
from fairlot.http.texts import NO_NUL
from fairlot.service.actors import Scope
from fairlot.service.choosing import explain_choice
from fairlot.service.decisions import decide_with_memory
from fairlot.service.questions import explain_with_memory, serving_experiment
from fairlot.service.snapshot import ProjectServing
from fairlot.service.subjects import subject_context

MOST_SUBJECTS: Final = 1000
_PATH: Final = "/api/v1/orgs/{org}/projects/{project}"
_NAME: Final = msgspec.Meta(min_length=1, max_length=128)
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_VISITOR_ID), NO_NUL]


class AskedContext(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """As in an assignment request."""

    url: str | None = None
    search: str | None = None
    device: Device | None = None
    attributes: dict[str, Any] | None = None
    account_id: _Id | None = None


class DecideQuestion(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    experiment_key: Annotated[str, _NAME]
    subject_ids: Annotated[tuple[_Id, ...], msgspec.Meta(min_length=1, max_length=MOST_SUBJECTS)]
    context: AskedContext = AskedContext()


class ExplainQuestion(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """With `asChoose` the question is what Choose serves the profile that `subjectId` names: the
    trace then begins with `login` and ends with `display`, and `sessionId` counts for displays."""

    experiment_key: Annotated[str, _NAME]
    subject_id: _Id
    context: AskedContext = AskedContext()
    as_choose: bool = False
    session_id: _Id | None = None


class Decided(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`problem` is what is wrong with the experiment, when the reason is `invalid`."""

    experiment: str
    subject: str
    variant: str | None
    variant_id: str | None
    payload: Any
    redirect: str | None
    in_experiment: bool
    reason: Reason
    problem: str | None
    manifest_version: int


class Decisions(msgspec.Struct, frozen=True):
    """In the order of the subjects."""

    decisions: tuple[Decided, ...]


class Explained(Decided, frozen=True, kw_only=True, rename="camel"):
    trace: Trace


def decide(call: Call[DecideQuestion]) -> Outcome:
    asked = call.asked
    serving = _serving(call, asked.experiment_key)
    key, stored = asked.experiment_key, call.services.log.stored_assignments
    contexts = _contexts(call, serving, key, asked.subject_ids)
    with _told_when_too_deep():
        decisions = tuple(
            _decided(serving, subject, decide_with_memory(serving, key, subject, context, stored))
            for subject, context in zip(asked.subject_ids, contexts, strict=True)
        )
    return Outcome(Decisions(decisions))


def explain(call: Call[ExplainQuestion]) -> Outcome:
    asked = call.asked
    serving = _serving(call, asked.experiment_key)
    explain_as = _explain_choice if asked.as_choose else _explain_assignment
    with _told_when_too_deep():
        explanation = explain_as(call, serving)
    return Outcome(_explained(serving, asked.subject_id, explanation))


def _explain_assignment(call: Call[ExplainQuestion], serving: ProjectServing) -> Explanation:
    key, subject_id = call.asked.experiment_key, call.asked.subject_id
    (context,) = _contexts(call, serving, key, (subject_id,))
    stored = call.services.log.stored_assignments
    return explain_with_memory(serving, key, subject_id, context, stored)


def _explain_choice(call: Call[ExplainQuestion], serving: ProjectServing) -> Explanation:
    asked = call.asked
    return asyncio.run(
        explain_choice(
            call.services.profiles,
            serving,
            asked.experiment_key,
            asked.subject_id,
            _context(call),
            asked.session_id,
            call.services.log.stored_assignments,
        )
    )


def _serving(call: Call[Any], key: str) -> ProjectServing:
    """Of the newest state, also where another worker has just published."""
    decisions = call.services.decisions
    decisions.refresh()
    return serving_experiment(call.connection, decisions.snapshot, call.tenant, key)


def _contexts(
    call: Call[DecideQuestion] | Call[ExplainQuestion],
    serving: ProjectServing,
    key: str,
    subjects: Sequence[str],
) -> list[Context]:
    """A new one for each subject, with what is known of it where the experiment asks: what was
    remembered of one is put into it."""
    if key not in serving.profile_needs:
        return [_context(call) for _ in subjects]
    profiles = call.services.profiles

    async def known() -> list[Context]:
        found = [
            await subject_context(profiles, serving, key, subject, _context(call))
            for subject in subjects
        ]
        return [context for context, _ in found]

    return asyncio.run(known())


def _context(call: Call[DecideQuestion] | Call[ExplainQuestion]) -> Context:
    asked = call.asked.context
    return Context(
        attributes=asked.attributes or {},
        account_id=asked.account_id,
        url=asked.url,
        search=asked.search,
        device=asked.device,
        now_ms=call.now_ms,
    )


def _explained(serving: ProjectServing, subject: str, explanation: Explanation) -> Explained:
    decided = msgspec.structs.asdict(_decided(serving, subject, explanation.decision))
    return Explained(**decided, trace=trace_of(explanation))


def _decided(serving: ProjectServing, subject: str, decision: Decision) -> Decided:
    key, variant = decision.experiment_key, decision.variant
    broken = decision.reason is Reason.INVALID
    return Decided(
        experiment=key,
        subject=subject,
        variant=None if variant is None else variant.key,
        variant_id=None if variant is None else variant.id,
        payload=None if variant is None else variant.payload,
        redirect=None if variant is None else variant.redirect,
        in_experiment=decision.in_experiment,
        reason=decision.reason,
        problem=serving.compiled.broken.get(key) if broken else None,
        manifest_version=serving.version,
    )


@contextmanager
def _told_when_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise invalid_fields("context.attributes: nested too deeply; flatten it") from None


ROUTES: Final = (
    ask(
        _PATH + "/decide",
        "Decide an experiment for subjects, recording nothing",
        Scope.DECIDE,
        decide,
        {200: Answer("What each subject would get.", (Decisions,))},
        request=DecideQuestion,
        errors=(409,),
    ),
    ask(
        _PATH + "/explain",
        "Decide an experiment for a subject, and say why, recording nothing",
        Scope.READ,
        explain,
        {200: Answer("What the subject would get, step by step.", (Explained,))},
        request=ExplainQuestion,
        errors=(409,),
    ),
)
