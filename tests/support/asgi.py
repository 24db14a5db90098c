"""A client that calls an ASGI application directly: no socket, no server, no thread of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import msgspec

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


@dataclass(frozen=True, slots=True)
class Response:
    """Header names are lower case; of a repeated one the last is kept."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class AsgiClient:
    """Used as a context manager it sends the lifespan events around the requests."""

    def __init__(self, application: Application, address: str = "127.0.0.1") -> None:
        self._application = application
        self._address = address
        self._runner = asyncio.Runner()
        self._events: asyncio.Queue[Message]
        self._answers: asyncio.Queue[Message]
        self._living: asyncio.Task[None]

    def __enter__(self) -> Self:
        self._runner.run(self._begin())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._runner.run(self._end())
        finally:
            self.close()

    def close(self) -> None:
        self._runner.close()

    def get(self, target: str, **headers: str) -> Response:
        return self.request("GET", target, headers=headers)

    def post(self, target: str, value: Any, **headers: str) -> Response:
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        return self.request("POST", target, body, headers=headers)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        headers: dict[str, str] | None = None,
        address: str | None = None,
    ) -> Response:
        """`body` in pieces is sent as they are, without a Content-Length. Underscores in header
        names stand for hyphens."""
        return self._runner.run(self.send(method, target, body, headers or {}, address))

    def together(self, *requests: Awaitable[Response]) -> list[Response]:
        """Run what `send` returned at the same time."""

        async def gather() -> list[Response]:
            return list(await asyncio.gather(*requests))

        return self._runner.run(gather())

    def run(self, work: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await work

        return self._runner.run(wait())

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        headers: dict[str, str] | None = None,
        address: str | None = None,
    ) -> Response:
        path, _, query = target.partition("?")
        fields = [
            (name.lower().replace("_", "-").encode(), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]
        if isinstance(body, bytes) and body:
            fields.append((b"content-length", b"%d" % len(body)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": fields,
            "client": (address or self._address, 50000),
            "server": ("127.0.0.1", 8080),
        }
        pieces = [body] if isinstance(body, bytes) else list(body)
        return await exchange(self._application, scope, pieces)

    async def _begin(self) -> None:
        self._events, self._answers = asyncio.Queue(), asyncio.Queue()
        self._living = asyncio.create_task(
            self._application({"type": "lifespan"}, self._events.get, self._answers.put)  # type: ignore[arg-type]
        )
        await self._events.put({"type": "lifespan.startup"})
        answer = await self._answers.get()
        assert answer["type"] == "lifespan.startup.complete", answer

    async def _end(self) -> None:
        await self._events.put({"type": "lifespan.shutdown"})
        answer = await self._answers.get()
        assert answer["type"] == "lifespan.shutdown.complete", answer
        await self._living


async def exchange(application: Application, scope: Message, pieces: list[bytes]) -> Response:
    """One request whose body comes in `pieces`; after them the client hangs up."""
    incoming: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        outgoing.append(message)

    await application(scope, receive, send)
    start = outgoing[0]
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    body = b"".join(message.get("body", b"") for message in outgoing[1:])
    return Response(start["status"], headers, body)
