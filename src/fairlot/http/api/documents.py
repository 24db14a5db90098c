"""What is written as documents has the same routes, whatever it is: experiments and definitions.

A noun's module says what an item and a document of it look like; all else is here.
"""

from typing import Any, Generic

import msgspec

from fairlot.http.api.nouns import Noun, Row, answer, key_in, name_in, there
from fairlot.http.api.revisions import revision_routes
from fairlot.http.management import (
    Call,
    Outcome,
    read,
    write,
)
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.http.registry import Answer, Route
from fairlot.http.texts import Sentence
from fairlot.manifest.nodes import MAX_TEXT_BYTES
from fairlot.service.actors import Scope
from fairlot.service.changes.single import delete_document, put_document


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reason` is for those who read the revisions."""

    reason: Sentence | None = None


def document_routes(noun: Noun[Row]) -> tuple[Route, ...]:
    """All but the list."""
    one = {200: Answer(f"The {noun.kind}.", (noun.document,), headers=("ETag",))}
    handlers = _Handlers(noun)
    return (
        read(noun.path, f"Show {noun.one}", Scope.READ, handlers.show, one),
        write(
            "PUT",
            noun.path,
            f"Write {noun.one}: make it, or change it",
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
            f"Delete {noun.one}, for good: its key is never used again",
            Scope.WRITE,
            handlers.delete,
            {204: Answer("It is gone.", media=None)},
            query=Reasoned,
            conditional=True,
            errors=(409,),
        ),
        *revision_routes(noun),
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
            name_in(self._noun, call),
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
            name_in(self._noun, call),
            actor=call.actor,
            now_ms=call.now_ms,
            reason=call.asked.reason,
        )
        return Outcome(status=204)

    def _checked(self, call: Call[Any]) -> Row | None:
        """What is there, if it is what the request wants to replace."""
        found = self._noun.find(call.connection, call.tenant, key_in(call))
        call.precondition.check_replace(
            None if found is None else found.revision,
            lambda: None if found is None else self._noun.describe(found),
        )
        return found


def _text_of(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refused(
            Problem(400, ProblemCode.BAD_REQUEST, "the body is not UTF-8; send it as UTF-8")
        ) from None
