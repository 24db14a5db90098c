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


class Reply:
    """A whole answer as its two ASGI messages; servers copy what they change."""

    __slots__ = ("body", "start", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        self.status = status
        length = () if status == 304 else ((b"content-length", b"%d" % len(body)),)
        self.start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *length],
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
