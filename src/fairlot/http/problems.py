"""What is answered instead of the asked: RFC 9457 problems, and the error shape of a face."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import JSON, NO_STORE, Reply
from fairlot.store import CommitUnanswered, StoreFailed, StoreLocked

PROBLEM_JSON = "application/problem+json"
_PROBLEM_TYPE = (b"content-type", PROBLEM_JSON.encode())
_DO_NOT_RETRY = (b"x-should-retry", b"false")


class ProblemCode(StrEnum):
    """The stable names of what is wrong with requests; a program may compare them."""

    BAD_REQUEST = "bad_request"
    MALFORMED_JSON = "malformed_json"
    INVALID_FIELDS = "invalid_fields"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    STALE = "stale"
    PRECONDITION_REQUIRED = "precondition_required"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    THROTTLED = "throttled"
    HEADERS_TOO_LARGE = "headers_too_large"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Problem:
    """`detail` says what is wrong and what to do; `extra` adds members to the JSON. `code` is a
    ProblemCode, or that of the error that was met."""

    status: int
    code: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


class Refused(FairlotError):
    """A request that is answered by its problem."""

    code = "request_refused"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


ErrorShape = Callable[[Problem], Reply]


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457; `code` is our stable name of the problem."""

    title: str
    status: int
    detail: str
    code: str
    type: str = "about:blank"


class FaceError(msgspec.Struct, frozen=True):
    """The error of the assignment face."""

    error: str
    success: Annotated[bool, msgspec.Meta(extra_json_schema={"const": False})] = False


class FaceMessage(msgspec.Struct, frozen=True):
    message: str


class FaceErrors(msgspec.Struct, frozen=True):
    """The error of Intempt's routes."""

    errors: tuple[FaceMessage, ...]


class IngestError(FaceError, frozen=True, omit_defaults=True):
    """The error of the ingest face; `limit` is of bytes or of rows, where one was passed."""

    limit: int | msgspec.UnsetType = msgspec.UNSET


class OfrepError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The error of the OpenFeature routes; `key` is of the flag that was asked for."""

    error_code: str
    error_details: str
    key: str | msgspec.UnsetType = msgspec.UNSET


def problem_reply(problem: Problem) -> Reply:
    """The error shape of our own API."""
    details = ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
    )
    body = msgspec.json.encode(msgspec.to_builtins(details) | dict(problem.extra))
    return Reply(problem.status, body, (_PROBLEM_TYPE, NO_STORE, *problem.headers))


def face_reply(problem: Problem) -> Reply:
    """The assignment face's; on a 4xx its clients are told not to try again by themselves."""
    body = b'{"success":false,"error":' + msgspec.json.encode(problem.detail) + b"}"
    retry = (_DO_NOT_RETRY,) if problem.status < 500 else ()
    return Reply(problem.status, body, (JSON, NO_STORE, *retry, *problem.headers))


def errors_reply(problem: Problem) -> Reply:
    """The error shape of Intempt's routes."""
    body = msgspec.json.encode(FaceErrors((FaceMessage(problem.detail),)))
    return Reply(problem.status, body, (JSON, NO_STORE, *problem.headers))


def ingest_reply(problem: Problem) -> Reply:
    """The ingest faces': as the assignment face's, but a throttled sender may try again by itself,
    or what it has to tell would be lost."""
    body = msgspec.json.encode({"success": False, "error": problem.detail, **problem.extra})
    final = problem.status < 500 and problem.status != 429
    retry = (_DO_NOT_RETRY,) if final else ()
    return Reply(problem.status, body, (JSON, NO_STORE, *retry, *problem.headers))


def ofrep_reply(problem: Problem) -> Reply:
    """The error shape of the OpenFeature routes. What is not theirs to name is GENERAL."""
    error = OfrepError(
        error_code=problem.extra.get("errorCode", "GENERAL"),
        error_details=problem.detail,
        key=problem.extra.get("key", msgspec.UNSET),
    )
    return Reply(problem.status, msgspec.json.encode(error), (JSON, NO_STORE, *problem.headers))


def not_found(what: str) -> Refused:
    return Refused(Problem(404, ProblemCode.NOT_FOUND, what))


def invalid_fields(detail: str) -> Refused:
    return Refused(Problem(400, ProblemCode.INVALID_FIELDS, detail))


def unavailable(detail: str) -> Refused:
    return Refused(Problem(503, ProblemCode.UNAVAILABLE, detail, headers=((b"retry-after", b"1"),)))


def store_unavailable(error: StoreFailed) -> Refused:
    if isinstance(error, CommitUnanswered):
        return unavailable(
            "the store did not confirm the change; look whether it was made before you try again,"
            " or send the same Idempotency-Key"
        )
    if isinstance(error, StoreLocked):
        return unavailable("another writer holds the database; nothing was changed, try again")
    return unavailable("the store cannot be used now; nothing was changed, try again")
