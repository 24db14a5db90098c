"""What is written as documents has the same routes, whatever it is: experiments and definitions.

A noun's module says what an item and a document of it look like; all else is here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import Connection

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
from fairlot.http.management.preconditions import etag_of
from fairlot.http.management.texts import Sentence
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.http.registry import Answer, Route
from fairlot.manifest.nodes import MAX_TEXT_BYTES
from fairlot.service.actors import Scope
from fairlot.service.changes.single import delete_document, put_document, revert_document
from fairlot.service.project_state import Name, read_state
from fairlot.service.refusals import NotThere
from fairlot.service.revisions import RevisionDiff, diff_revisions, read_revision
from fairlot.store.definitions import DefinitionRow
from fairlot.store.experiments import ExperimentRow
from fairlot.store.revisions import RevisionRow, revisions_of
from fairlot.store.tenants import ProjectRow

Row = TypeVar("Row", bound=ExperimentRow | DefinitionRow)
_KEY: Final = re.compile(r"[a-z0-9_-]{1,128}")
_NUMBER: Final = re.compile("[1-9][0-9]{0,8}")
_RevisionNumber = Annotated[int, msgspec.Meta(ge=1, le=999_999_999)]


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reason` is for those who read the revisions."""

    reason: Sentence | None = None


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


@dataclass(frozen=True, slots=True)
class Noun(Generic[Row]):
    """`find` gives what is there and not deleted, `describe` its document."""

    kind: str
    plural: str
    find: Callable[[Connection, ProjectRow, str], Row | None]
    describe: Callable[[Row], msgspec.Struct]
    document: type[msgspec.Struct]

    @property
    def list_path(self) -> str:
        return f"/api/v1/orgs/{{org}}/projects/{{project}}/{self.plural}"

    @property
    def path(self) -> str:
        return f"{self.list_path}/{{key}}"


def document_routes(noun: Noun[Row]) -> tuple[Route, ...]:
    """All but the list."""
    one = {200: Answer(f"The {noun.kind}.", (noun.document,), headers=("ETag",))}
    handlers = _Handlers(noun)
    return (
        read(noun.path, f"Show a {noun.kind}", Scope.READ, handlers.show, one),
        write(
            "PUT",
            noun.path,
            f"Write a {noun.kind}: make it, or change it",
            Scope.WRITE,
            handlers.put,
            {**one, 201: Answer("It is new.", (noun.document,), headers=("ETag",))},
            query=Reasoned,
            text=f"One document of the {noun.kind}, as in its files.",
            conditional=True,
            body_limit=MAX_TEXT_BYTES,
        ),
        write(
            "DELETE",
            noun.path,
            f"Delete a {noun.kind}, for good: its key is never used again",
            Scope.WRITE,
            handlers.delete,
            {204: Answer("It is gone.", media=None)},
            query=Reasoned,
            conditional=True,
            errors=(409,),
        ),
        read(
            f"{noun.path}/revisions",
            f"List the revisions of a {noun.kind}, the newest first; also of a deleted one",
            Scope.READ,
            handlers.revisions,
            {200: Answer("One page.", (Page[Revision],))},
            query=Paging,
        ),
        read(
            f"{noun.path}/revisions/{{number}}",
            f"Show a revision of a {noun.kind}, with its text",
            Scope.READ,
            handlers.revision,
            {200: Answer("The revision.", (RevisionDocument,))},
        ),
        read(
            f"{noun.path}/revisions/{{number}}/diff",
            f"Compare a revision of a {noun.kind} with another",
            Scope.READ,
            handlers.diff,
            {200: Answer("What differs.", (RevisionDiff,))},
            query=Against,
        ),
        write(
            "POST",
            f"{noun.path}/revert",
            f"Write the text of an earlier revision of a {noun.kind} again",
            Scope.WRITE,
            handlers.revert,
            one,
            request=Revert,
            conditional=True,
        ),
    )


class _Handlers(Generic[Row]):
    def __init__(self, noun: Noun[Row]) -> None:
        self._noun = noun

    def show(self, call: Call[Any]) -> Outcome:
        return answer(self._noun, there(self._noun, call))

    def put(self, call: Call[Reasoned]) -> Outcome:
        before = self._checked(call)
        put_document(
            call.connection,
            call.tenant,
            self._name(call),
            _text_of(call.body),
            actor=call.actor,
            now_ms=call.now_ms,
            reason=call.asked.reason,
        )
        return answer(self._noun, there(self._noun, call), 201 if before is None else 200)

    def delete(self, call: Call[Reasoned]) -> Outcome:
        self._checked(call)
        delete_document(
            call.connection,
            call.tenant,
            self._name(call),
            actor=call.actor,
            now_ms=call.now_ms,
            reason=call.asked.reason,
        )
        return Outcome(status=204)

    def revisions(self, call: Call[Paging]) -> Outcome:
        position = position_after(call)
        rows = revisions_of(
            call.connection,
            call.tenant.id,
            *self._name(call),
            limit=call.asked.limit + 1,
            before=None if position is None else int(position[0]),
        )
        if not rows and position is None:
            raise NotThere(self._noun.kind, call.path["key"])
        return page_of(call, rows, lambda row: (row.number,), _revision)

    def revision(self, call: Call[Any]) -> Outcome:
        return Outcome(_revision_document(self._revision(call, _number_in(call))))

    def diff(self, call: Call[Against]) -> Outcome:
        number = _number_in(call)
        against = number - 1 if call.asked.against is None else call.asked.against
        before, after = self._revision(call, against), self._revision(call, number)
        known = read_state(call.connection, call.tenant).known()
        return Outcome(diff_revisions(before, after, known))

    def revert(self, call: Call[Revert]) -> Outcome:
        before = there(self._noun, call)
        check(self._noun, call, before)
        revert_document(
            call.connection,
            call.tenant,
            self._name(call),
            call.asked.revision,
            actor=call.actor,
            now_ms=call.now_ms,
            reason=call.asked.reason,
        )
        return answer(self._noun, there(self._noun, call))

    def _checked(self, call: Call[Any]) -> Row | None:
        """What is there, if it is what the request wants to replace."""
        found = self._noun.find(call.connection, call.tenant, _key_in(call))
        call.precondition.check_replace(
            None if found is None else found.revision,
            lambda: None if found is None else self._noun.describe(found),
        )
        return found

    def _name(self, call: Call[Any]) -> Name:
        return self._noun.kind, _key_in(call)

    def _revision(self, call: Call[Any], number: int) -> RevisionRow:
        return read_revision(call.connection, call.tenant, self._name(call), number)


def there(noun: Noun[Row], call: Call[Any]) -> Row:
    """What the path names. Raises NotThere."""
    found = noun.find(call.connection, call.tenant, _key_in(call))
    if found is None:
        raise NotThere(noun.kind, call.path["key"])
    return found


def check(noun: Noun[Row], call: Call[Any], row: Row) -> None:
    """For a change that may go without `If-Match`."""
    call.precondition.check(row.revision, lambda: noun.describe(row))


def answer(noun: Noun[Row], row: Row, status: int = 200) -> Outcome:
    return Outcome(noun.describe(row), status, etag_of(row.revision))


def _key_in(call: Call[Any]) -> str:
    """No database has to look for what no key is."""
    key = call.path["key"]
    return key if _KEY.fullmatch(key) else ""


def _number_in(call: Call[Any]) -> int:
    number = call.path["number"]
    if not _NUMBER.fullmatch(number):
        raise NotThere("revision", f"{call.path['key']} {number}", "list its revisions")
    return int(number)


def _text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refused(
            Problem(400, ProblemCode.BAD_REQUEST, "the body is not UTF-8; send it as UTF-8")
        ) from None


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
