"""The least that uvicorn can do: a raw ASGI application that reads the body and says hello."""

from collections.abc import Awaitable, Callable
from typing import Any

BODY = b'{"success":true,"in_experiment":false}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
END = {"type": "http.response.body", "body": BODY}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    await receive()
    await send(START)
    await send(END)
