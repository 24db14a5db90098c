"""aiohttp.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    app = web.Application()
    setup(app, client)

and in a handler:

    context = request_context(request)
    result = client.exposure("cta", get_or_create_subject_id(request), context)

A middleware of aiohttp sees a streamed response when its headers are sent already. `setup` uses the
signal that is sent before that, so every response is reached: errors, also of exceptions that
nobody handles, streams, files, WebSockets. When it is given the client, it waits for
`client.ainit()` as the application starts, unless there is a manifest already, and for
`client.aflush()` as it is cleaned up. The client is yours, and stays open.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.integrations.carried import KEY, Carried, finish, warn_that_nothing_is_sent
from fairlot.integrations.header_lines import SET_COOKIE, waiting_lines
from fairlot.integrations.visible_url import escaped_path, visible_url

_SETUP: Final = web.AppKey("fairlot", dict)
# Before aiohttp 3.14 the storage of a request has text keys only, after it they are warned of.
_REQUEST_KEY: Final[Any] = web.RequestKey(KEY, Carried) if hasattr(web, "RequestKey") else KEY


def setup(app: web.Application, client: Client | None = None) -> None:
    """Put the headers of the SDK on the responses of `app` and of the applications in it."""
    app[_SETUP] = {"client": client}
    app.on_response_prepare.append(_send_lines)
    if client is not None:
        app.cleanup_ctx.append(_living)


async def _living(app: web.Application) -> AsyncIterator[None]:
    client: Client = app[_SETUP]["client"]
    if client.manifest() is None:
        await client.ainit()
    yield
    await finish(client)


def request_context(
    request: web.Request,
    *,
    user: Mapping[str, Any] | None = None,
    account_id: str | None = None,
) -> RequestContext:
    """The one context of the request."""
    return _carried_by(request).context_of(lambda: _context_of(request), user, account_id)


def get_or_create_subject_id(
    request: web.Request, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is that of `setup` unless given: it names the cookie."""
    return _carried_by(request).subject_id(request_context(request), consent, client)


def _carried_by(request: web.Request) -> Carried:
    carried: Carried | None = request.get(_REQUEST_KEY)
    if carried is None:
        found = request.config_dict.get(_SETUP)
        if found is None:
            warn_that_nothing_is_sent("aiohttp")
        carried = request[_REQUEST_KEY] = Carried(None if found is None else found["client"])
    return carried


def _context_of(request: web.Request) -> RequestContext:
    path, _, query = request.raw_path.partition("?")
    if not path.startswith("/"):  # the whole URL, as it is sent to a proxy
        path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
    url = visible_url(request.scheme, request.host, escaped_path(path), query)
    return RequestContext(request.headers, url, ResponseHeaders())


async def _send_lines(request: web.Request, response: web.StreamResponse) -> None:
    carried: Carried | None = request.get(_REQUEST_KEY)
    if carried is None:
        return
    for name, value in waiting_lines(carried.context):
        if name.lower() == SET_COOKIE:
            response.headers.add(name, value)
        else:
            response.headers[name] = value
