"""The revisions of what is written as documents."""

import re
from typing import Annotated, Any, Final, Generic

import msgspec

from fairlot.http.api.nouns import Noun, Row, answer, check, name_in, there
from fairlot.http.management import (
    Call,
    Outcome,
    Page,
    Paging,
    page_of,
    position_after,
    read,
    write,
)
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer, Route
from fairlot.http.texts import Sentence
from fairlot.service.actors import Scope
from fairlot.service.changes.single import revert_document
from fairlot.service.missing import not_there
from fairlot.service.project_state import read_state
from fairlot.service.refusals import NotThere
from fairlot.service.revisions import RevisionDiff, diff_revisions, read_revision
from fairlot.store.revisions import RevisionRow, revisions_of

_NUMBER: Final = re.compile("[1-9][0-9]{0,8}")
_RevisionNumber = Annotated[int, msgspec.Meta(ge=1, le=999_999_999)]


class Against(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`against` is the revision to compare with; the one before, where it is absent."""

    against: _RevisionNumber | None = None


class Revert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`revision` is the one whose text is written again."""

    revision: _RevisionNumber
    reason: Sentence | None = None


class Revision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`status` is the experiment's state after the change, null for a definition."""

    number: int
    at: str
    author: str
    action: str
    reason: str | None
    status: str | None


class RevisionDocument(Revision, frozen=True, kw_only=True, rename="camel"):
    """`source` is the text, byte for byte; `document` how it was understood."""

    kind: str
    key: str
    source: str
    document: dict[str, Any]


def revision_routes(noun: Noun[Row]) -> tuple[Route, ...]:
    handlers = _Handlers(noun)
    return (
        read(
            f"{noun.path}/revisions",
            f"List the revisions of {noun.one}, the newest first; also of a deleted one",
            Scope.READ,
            handlers.revisions,
            {200: Answer("One page.", (Page[Revision],))},
            query=Paging,
        ),
        read(
            f"{noun.path}/revisions/{{number}}",
            f"Show a revision of {noun.one}, with its text",
            Scope.READ,
            handlers.revision,
            {200: Answer("The revision.", (RevisionDocument,))},
        ),
        read(
            f"{noun.path}/revisions/{{number}}/diff",
            f"Compare a revision of {noun.one} with another",
            Scope.READ,
            handlers.diff,
            {200: Answer("What differs.", (RevisionDiff,))},
            query=Against,
        ),
        write(
            "POST",
            f"{noun.path}/revert",
            f"Write the text of an earlier revision of {noun.one} again",
            Scope.WRITE,
            handlers.revert,
            {200: Answer(f"The {noun.kind}.", (noun.document,), headers=("ETag",))},
            request=Revert,
            conditional=True,
        ),
    )


class _Handlers(Generic[Row]):
    def __init__(self, noun: Noun[Row]) -> None:
        self._noun = noun

    def revisions(self, call: Call[Paging]) -> Outcome:
        position = position_after(call)
        rows = revisions_of(
            call.connection,
            call.tenant.id,
            *name_in(self._noun, call),
            limit=call.asked.limit + 1,
            before=None if position is None else int(position[0]),
        )
        if not rows and position is None:
            raise not_there(call.connection, call.tenant, self._noun.kind, call.path["key"])
        return page_of(call, rows, lambda row: (row.number,), _revision)

    def revision(self, call: Call[Any]) -> Outcome:
        return Outcome(_revision_document(self._revision(call, _number_in(call))))

    def diff(self, call: Call[Against]) -> Outcome:
        number = _number_in(call)
        after = self._revision(call, number)
        if number == 1 and call.asked.against is None:
            raise NotThere("earlier revision", f"{after.key} 1", "name another to compare it with")
        against = number - 1 if call.asked.against is None else call.asked.against
        before = self._revision(call, against)
        known = read_state(call.connection, call.tenant).known()
        return Outcome(diff_revisions(before, after, known))

    def revert(self, call: Call[Revert]) -> Outcome:
        before = there(self._noun, call)
        check(self._noun, call, before)
        revert_document(
            call.connection,
            call.tenant,
            name_in(self._noun, call),
            call.asked.revision,
            actor=call.actor,
            now_ms=call.now_ms,
            reason=call.asked.reason,
        )
        return answer(self._noun, there(self._noun, call))

    def _revision(self, call: Call[Any], number: int) -> RevisionRow:
        return read_revision(call.connection, call.tenant, name_in(self._noun, call), number)


def _number_in(call: Call[Any]) -> int:
    number = call.path["number"]
    if not _NUMBER.fullmatch(number):
        raise NotThere("revision", f"{call.path['key']} {number}", "list its revisions")
    return int(number)


def _revision(row: RevisionRow) -> Revision:
    return Revision(
        number=row.number,
        at=written(row.at_ms),
        author=row.author,
        action=row.action,
        reason=row.reason,
        status=row.status,
    )


def _revision_document(row: RevisionRow) -> RevisionDocument:
    return RevisionDocument(
        **msgspec.structs.asdict(_revision(row)),
        kind=row.kind,
        key=row.key,
        source=row.source,
        document=msgspec.json.decode(row.document),
    )
