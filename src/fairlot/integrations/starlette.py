"""Starlette; for FastAPI see `fairlot.integrations.fastapi`.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    app.add_middleware(FairlotMiddleware, client=client)

and in an endpoint, with its request or WebSocket:

    context = request_context(request)
    result = client.exposure("cta", get_or_create_subject_id(request), context)

When the middleware is given the client, it is initialised before the application starts and flushed
after it has stopped. Starlette answers exceptions that nobody handles (500) outside all
middleware that is added to an application, so those answers have no cookies. To have them there as
well, wrap the application as the last thing: `app = FairlotMiddleware(app, client)`.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection

from fairlot import Client, RequestContext
from fairlot.integrations import asgi
from fairlot.integrations.asgi import FairlotMiddleware

__all__ = ["FairlotMiddleware", "get_or_create_subject_id", "request_context"]


def request_context(
    request: HTTPConnection, *, user: Mapping[str, Any] | None = None, account_id: str | None = None
) -> RequestContext:
    """The one context of the request or WebSocket."""
    return asgi.request_context(request.scope, user=user, account_id=account_id)


def get_or_create_subject_id(
    request: HTTPConnection, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the middleware's unless given: it names the cookie."""
    return asgi.get_or_create_subject_id(request.scope, consent=consent, client=client)
