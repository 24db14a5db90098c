"""Read a request body, never holding more than a cap of it."""

from typing import TypeVar

import msgspec

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import Message, Receive, Scope
from fairlot.http.problems import Problem, ProblemCode, Refused, invalid_fields

BODY_LIMIT = 64 * 1024
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
        raise invalid_fields(f"the body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"the body is not valid JSON: {error}; send a JSON object in UTF-8"
        raise Refused(Problem(400, ProblemCode.MALFORMED_JSON, detail)) from None


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
