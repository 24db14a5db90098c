"""Any ASGI application, and what the integrations of ASGI frameworks are made of.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    app = FairlotMiddleware(app, client)

and where a variant is needed, with the `scope` of the request:

    context = request_context(scope)
    result = client.exposure("cta", get_or_create_subject_id(scope), context)

The client is yours, and stays open. When the middleware is given it, it waits for `client.ainit()`
before the application starts, unless there is a manifest already, and for `client.aflush()` after
it has stopped; both by the lifespan protocol and off the event loop. Without one it only writes
headers. Put it outermost: a response that is made further out, such as a server's answer to an
exception, has no cookies.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.integrations.carried import KEY, Carried, carried_in, finish
from fairlot.integrations.header_lines import SET_COOKIE, waiting_lines
from fairlot.integrations.visible_url import encoded_path, visible_url

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_STARTS: Final = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_SEPARATORS: Final = {b"cookie": b"; "}


class FairlotMiddleware:
    """`app` with the headers of the SDK on its responses, and on its accepted WebSockets."""

    def __init__(self, app: Application, client: Client | None = None) -> None:
        self.app = app
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if KEY in scope:  # a middleware further out does it
            await self.app(scope, receive, send)
            return
        carried = scope[KEY] = Carried(self._client)

        async def send_with_lines(message: Message) -> None:
            if carried.context is not None and message["type"] in _STARTS:
                message = _with_lines(message, carried.context)
            await send(message)

        await self.app(scope, receive, send_with_lines)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = self._client
        if client is None:
            await self.app(scope, receive, send)
            return

        async def begin_first() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup" and client.manifest() is None:
                await client.ainit()
            return message

        async def end_first(message: Message) -> None:
            if message["type"].startswith(("lifespan.shutdown.", "lifespan.startup.failed")):
                await finish(client)
            await send(message)

        await self.app(scope, begin_first, end_first)


class ScopeHeaders:
    """The headers of a scope; a name that came several times has one value."""

    __slots__ = ("_lines",)

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._lines = scope["headers"]

    def get(self, name: str) -> str | None:
        wanted = name.lower().encode("latin-1")
        found = [value for line, value in self._lines if line == wanted]
        if len(found) > 1:
            found = [_SEPARATORS.get(wanted, b", ").join(found)]
        return found[0].decode("latin-1") if found else None


def request_context(
    scope: Scope, *, user: Mapping[str, Any] | None = None, account_id: str | None = None
) -> RequestContext:
    """The one context of the request or WebSocket."""
    carried = carried_in(scope, "asgi")
    return carried.context_of(lambda: _context_of_scope(scope), user, account_id)


def get_or_create_subject_id(
    scope: Scope, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the middleware's unless given: it names the cookie."""
    return carried_in(scope, "asgi").subject_id(request_context(scope), consent, client)


def _context_of_scope(scope: Scope) -> RequestContext:
    headers = ScopeHeaders(scope)
    path = encoded_path(scope.get("raw_path"), scope["path"].encode("utf-8", "surrogatepass"))
    host = headers.get("host") or _address(scope.get("server"))
    url = visible_url(scope.get("scheme", "http"), host, path, scope.get("query_string", b""))
    return RequestContext(headers, url, ResponseHeaders())


def _address(server: tuple[str, int | None] | None) -> str | None:
    if server is None or server[1] is None:  # unknown, or the path of a socket
        return None
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _with_lines(message: Message, context: RequestContext) -> Message:
    """A message of its own: the list of headers may belong to a response that is sent again."""
    lines = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in waiting_lines(context)
    ]
    if not lines:
        return message
    replaced = {name for name, _ in lines} - {SET_COOKIE.encode()}
    kept = [line for line in message.get("headers", ()) if line[0].lower() not in replaced]
    return {**message, "headers": [*kept, *lines]}
