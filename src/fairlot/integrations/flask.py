"""Flask.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    app = Flask(__name__)
    Fairlot(app, client)

and in a view:

    result = client.exposure("cta", get_or_create_subject_id(), request_context())

The extension wraps `app.wsgi_app`, so every response is reached: streamed ones, error pages, also
of exceptions that nobody handles, files and redirects. It calls `client.init()`, unless there is a
manifest already; the client flushes by itself when the process exits.
"""

from collections.abc import Mapping
from typing import Any

import flask

from fairlot import Client, RequestContext
from fairlot.integrations import wsgi


class Fairlot:
    """The extension; `client` may be left out, then only headers are written. With an application
    factory make it without `app` and call `init_app` there."""

    def __init__(self, app: flask.Flask | None = None, client: Client | None = None) -> None:
        self.client = client
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask, client: Client | None = None) -> None:
        self.client = client or self.client
        app.wsgi_app = wsgi.FairlotMiddleware(app.wsgi_app, self.client)  # type: ignore[method-assign]
        app.extensions["fairlot"] = self


def request_context(
    request: flask.Request | None = None,
    *,
    user: Mapping[str, Any] | None = None,
    account_id: str | None = None,
) -> RequestContext:
    """The one context of the request, the present one if none is given."""
    environ = (request or flask.request).environ
    return wsgi.request_context(environ, user=user, account_id=account_id)


def get_or_create_subject_id(
    request: flask.Request | None = None, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the extension's unless given: it names the cookie."""
    environ = (request or flask.request).environ
    return wsgi.get_or_create_subject_id(environ, consent=consent, client=client)
