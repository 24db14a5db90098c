"""Read a request body, never holding more than a cap of it."""

import json
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import Message, Receive, Scope
from fairlot.http.misfits import misfit
from fairlot.http.problems import Problem, ProblemCode, Refused, invalid_fields

BODY_LIMIT = 64 * 1024
_NO_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_Document = TypeVar("_Document")


class ClientGone(FairlotError):
    """The client hung up before its body was whole; there is nobody to answer."""

    code = "client_gone"

    def __init__(self) -> None:
        super().__init__("the client disconnected before it had sent its whole body")


async def read_body(scope: Scope, receive: Receive, limit: int = BODY_LIMIT) -> bytes:
    """The whole body. Refused (413) before anything is read when Content-Length is over `limit`
    bytes, and as soon as a body without one is."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if len(value) > 4 and value.isdigit() and int(value) > limit:
                raise too_large(limit)
            break
    message = await receive()
    if message.get("more_body"):
        return await _gather(message, receive, limit)
    if message["type"] != "http.request":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise too_large(limit)
    return body


async def read_json(
    scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[_Document]
) -> _Document:
    """The body as what the decoder makes of it. Refused (400) for anything else."""
    return decoded(await read_body(scope, receive), decoder)


def decoded(body: bytes, decoder: msgspec.json.Decoder[_Document]) -> _Document:
    """Refused (400) for a body that is not JSON, or does not fit."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        try:
            given = msgspec.json.decode(body)
        except _NO_JSON as worse:  # only what stands behind the misfit
            raise _no_json(body, worse) from None
        raise invalid_fields(misfit(error, decoder.type, given, "the body")) from None
    except _NO_JSON as error:
        raise _no_json(body, error) from None


def converted(query: Mapping[str, str], asked: type[_Document]) -> _Document:
    """The parameters of a query. Refused (400) for those that do not fit."""
    try:
        return msgspec.convert(query, asked, strict=False)
    except msgspec.ValidationError as error:
        raise invalid_fields(misfit(error, asked, query, "the query")) from None


def why_no_json(body: bytes, error: Exception) -> str:
    """msgspec calls half a surrogate pair a truncated body; the standard library reads it."""
    try:
        json.dumps(json.loads(body, parse_constant=_refuse), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a text holds half of a surrogate pair (such as \\ud800); send whole characters"
    except (ValueError, RecursionError):
        pass
    return f"the body is not valid JSON: {error}; send a JSON object in UTF-8"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _no_json(body: bytes, error: Exception) -> Refused:
    return Refused(Problem(400, ProblemCode.MALFORMED_JSON, why_no_json(body, error)))


async def _gather(message: Message, receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        if message["type"] != "http.request":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()


def too_large(limit: int) -> Refused:
    return Refused(
        Problem(413, ProblemCode.TOO_LARGE, f"the body is over {limit} bytes; send a smaller one")
    )
