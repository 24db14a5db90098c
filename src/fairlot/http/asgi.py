"""The ASGI types, and an answer that is built once and may be sent many times."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

NO_STORE = (b"cache-control", b"no-store")
JSON = (b"content-type", b"application/json")


def rendered_head(headers: Headers) -> bytes:
    """Header lines as they go over the wire, and the empty line after them."""
    lines = [name + b": " + value for name, value in headers]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    return b"\r\n".join([*lines, b"", b""]) if lines else b"\r\n"


_JSON_HEAD = rendered_head((JSON, NO_STORE, (b"content-length", b"%b")))


class Reply:
    """A whole answer as its two ASGI messages; servers copy what they change. `fairlot.head` holds
    the headers as `Exchange` writes them."""

    __slots__ = ("body", "start", "status")

    @classmethod
    def of_json(cls, body: bytes) -> "Reply":
        """200 with JSON that nobody keeps: an answer that is made for each request."""
        reply = cls.__new__(cls)
        reply.status = 200
        length = b"%d" % len(body)
        reply.start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [JSON, NO_STORE, (b"content-length", length)],
            "fairlot.head": _JSON_HEAD % length,
        }
        reply.body = {"type": "http.response.body", "body": body}
        return reply

    def __init__(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        self.status = status
        length = () if status in (204, 304) else ((b"content-length", b"%d" % len(body)),)
        lines = [*headers, *length]
        self.start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": lines,
            "fairlot.head": rendered_head(lines),
        }
        self.body: Message = {"type": "http.response.body", "body": body}


Handler = Callable[[Scope, Receive], Awaitable[Reply]]


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header called `name` (lower case)."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
