"""One request whose body is whole, and its answer, without a task unless it has to wait.

uvicorn starts a task for every request, and checks and joins the headers of every answer anew. Most
of our answers come from memory and are sent many times. An exchange runs the application at once;
only if that waits (for a commit, or for a thread) does the rest of it become a task. The
application sees plain ASGI, and must answer in two messages, as `Reply` does. Until it waits it is
in no task, so what asks for the current one (`asyncio.timeout`) is not for handlers of POST.
"""

import asyncio
import types
from collections.abc import Callable, Generator
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from fairlot.http.asgi import Asgi, Message, Scope, rendered_head


class Exchange:
    """Stands where uvicorn's protocol expects a cycle, and has the attributes that it reads.

    `finished` is called when the answer is written, `spawn` makes a task of what has to wait.
    """

    __slots__ = (
        "_body",
        "_finished",
        "_gone",
        "_spawn",
        "_start",
        "_transport",
        "default_headers",
        "disconnected",
        "keep_alive",
        "response_complete",
        "response_started",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        default_headers: list[tuple[bytes, bytes]],
        finished: Callable[[], None],
        spawn: Callable[[Any], None],
    ) -> None:
        self._transport = transport
        self._finished = finished
        self._spawn = spawn
        self._body: bytes | None = None
        self._start: Message | None = None
        self._gone: asyncio.Event | None = None
        self.default_headers = default_headers
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False
        self.response_started = False

    @property
    def message_event(self) -> "Exchange":
        """What uvicorn sets when the client has gone."""
        return self

    def set(self) -> None:
        if self._gone is not None:
            self._gone.set()

    def run(self, app: Asgi, scope: Scope, body: bytes) -> None:
        """Answer now, or as soon as what the application waits for is there."""
        self._body = body
        coroutine: Any = app(scope, self.receive, self.send)
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return
        self._spawn(_rest_of(coroutine, awaited))

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not (self.disconnected or self.response_complete):
            self._gone = asyncio.Event()
            await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._start is None:
            self._start = message
            return
        if self.disconnected or self.response_complete:
            return
        if message.get("more_body"):
            raise RuntimeError("an exchange answers in one piece; do not stream over it")
        self.response_started = True
        start = self._start
        content = [STATUS_LINE[start["status"]]]
        for name, value in self.default_headers:
            content += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            content.append(b"connection: close\r\n")
        content.append(start.get("fairlot.head") or rendered_head(start["headers"]))
        content.append(message["body"])
        self._transport.write(b"".join(content))
        self.response_complete = True
        self.set()
        if not self.keep_alive:
            self._transport.close()
        self._finished()


@types.coroutine
def _rest_of(coroutine: Any, awaited: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that waits for `awaited`, passing on what a task sends or throws."""
    while True:
        try:
            value = yield awaited
        except BaseException as error:  # noqa: BLE001 - the coroutine decides about it
            resume, given = coroutine.throw, error
        else:
            resume, given = coroutine.send, value
        try:
            awaited = resume(given)
        except StopIteration:
            return
