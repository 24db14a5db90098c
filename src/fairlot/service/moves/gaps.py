"""What the figures of an effect leave out, because the event log cannot tell it."""

from collections.abc import Iterator
from dataclasses import replace

from fairlot.engine import ActivationRule
from fairlot.engine.audience import DEVICE, QUERY_PARAMS, RULE, URL_PATTERNS, VISITOR_STATUS
from fairlot.manifest.contents import same_content
from fairlot.service.moves.deals import PAGE_PARTS, PERSON_PARTS, PROPERTIES, SEGMENTS, Side
from fairlot.service.moves.questions import Question, Tally
from fairlot.service.plan_document import (
    AUDIENCE_PARTS,
    WINDOW_DAYS,
    NotCountable,
    NotCountableKind,
)

_KIND_OF_PART = {
    RULE: NotCountableKind.RULE,
    SEGMENTS: NotCountableKind.SEGMENTS,
    PROPERTIES: NotCountableKind.PROPERTIES,
    VISITOR_STATUS: NotCountableKind.VISITOR_STATUS,
    URL_PATTERNS: NotCountableKind.URL_PATTERNS,
    QUERY_PARAMS: NotCountableKind.QUERY_PARAMS,
    DEVICE: NotCountableKind.DEVICE,
}
_SENTENCES = {
    NotCountableKind.RULE: (
        "The rule changes: whom it lets in depends on attributes, which the log does not hold."
    ),
    NotCountableKind.SEGMENTS: (
        "A segment changes: who is in it depends on attributes or a history, which the log does not"
        " hold."
    ),
    NotCountableKind.PROPERTIES: (
        "A property that decides who is let in is captured otherwise: what subjects will have of it"
        " is not in the log."
    ),
    NotCountableKind.VISITOR_STATUS: (
        "The visitor status changes: who is new or returning is not in the log."
    ),
    NotCountableKind.URL_PATTERNS: (
        "The URL patterns change: which pages a subject will see is not in the log."
    ),
    NotCountableKind.QUERY_PARAMS: (
        "The query parameters change: which addresses a subject will use is not in the log."
    ),
    NotCountableKind.DEVICE: (
        "The device changes: which devices a subject will use is not in the log."
    ),
    NotCountableKind.WHEN: (
        "What activates it changes: who does that, and how often, is not in the log."
    ),
    NotCountableKind.RECHECK_AUDIENCE: (
        "Whether the audience is checked again changes: who of the remembered still matches it is"
        " not in the log."
    ),
    NotCountableKind.ENTERING: (
        "Who enters: whether a subject that was not seen in this experiment matches its audience is"
        " not in the log."
    ),
    NotCountableKind.UNIT: (
        "The unit changes: which subjects belong to which account is not in the log."
    ),
    NotCountableKind.ADAPTER: (
        "{by_adapter} got their variant from a decision adapter, which is asked anew: they are left"
        " out where no memory answers first."
    ),
    NotCountableKind.SCHEDULE: (
        "The schedule opens or closes the experiment at other moments than this one: the figures"
        " are of this moment."
    ),
    NotCountableKind.ACTIVATED: (
        "Events activate it: for whom it is active, it stays as it is until it ends. The shares are"
        " those of whom it is activated for from now on."
    ),
    NotCountableKind.NO_LOG: "The event log was not read, so nobody is counted.",
    NotCountableKind.NOBODY_KNOWN: (
        "The log has seen nobody of whom this could be counted in the last {days} days."
    ),
}


def gaps_of(
    before: Side | None,
    after: Side | None,
    question: Question | None,
    tally: Tally | None,
    *,
    enters: bool,
) -> tuple[NotCountable, ...]:
    """`enters` says that some of the eligible have no variant now, and get one."""
    kinds = [
        *_of_change(before, after),
        *_of_activation(before, after),
        *_of_counting(question, tally),
    ]
    if enters and _needs_a_match(question) and not AUDIENCE_PARTS.intersection(kinds):
        kinds.append(NotCountableKind.ENTERING)
    if not kinds and tally is not None and not tally.by_draw and not tally.after_sticky:
        kinds.append(NotCountableKind.NOBODY_KNOWN)
    by_adapter = 0 if tally is None else tally.by_adapter
    return tuple(
        NotCountable(
            kind=kind, sentence=_SENTENCES[kind].format(by_adapter=by_adapter, days=WINDOW_DAYS)
        )
        for kind in kinds
    )


def _needs_a_match(question: Question | None) -> bool:
    """Whether the log can tell about the exposed only."""
    return question is not None and not question.concerns_everyone


def _of_change(before: Side | None, after: Side | None) -> Iterator[NotCountableKind]:
    if before is None or after is None:
        return
    if before.deal.unit is not after.deal.unit:
        yield NotCountableKind.UNIT
        return
    for part in (*PERSON_PARTS, *PAGE_PARTS):
        if not same_content(before.audience.get(part), after.audience.get(part)):
            yield _KIND_OF_PART[part]
    rechecks = before.deal.recheck_audience, after.deal.recheck_audience
    if rechecks[0] != rechecks[1] and after.restricts(PERSON_PARTS):
        yield NotCountableKind.RECHECK_AUDIENCE
    if before.experiment.schedule != after.experiment.schedule:
        yield NotCountableKind.SCHEDULE


def _of_activation(before: Side | None, after: Side | None) -> Iterator[NotCountableKind]:
    rules = [side.experiment.activation for side in (before, after) if side is not None]
    if not all(same_content(_without_share(rule), _without_share(rules[0])) for rule in rules):
        yield NotCountableKind.WHEN
    if any(rule is not None for rule in rules):
        yield NotCountableKind.ACTIVATED


def _without_share(rule: ActivationRule | None) -> ActivationRule | None:
    """Whom the control share is drawn from: that is told by the shares."""
    return None if rule is None else replace(rule, control_share_bp=0)


def _of_counting(question: Question | None, tally: Tally | None) -> Iterator[NotCountableKind]:
    if question is None:
        return
    if tally is None:
        yield NotCountableKind.NO_LOG
    elif tally.by_adapter:
        yield NotCountableKind.ADAPTER
