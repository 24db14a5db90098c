"""Any WSGI application, and what the integrations of WSGI frameworks are made of.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    application = FairlotMiddleware(application, client)

and where a variant is needed, with the `environ` of the request:

    context = request_context(environ)
    result = client.exposure("cta", get_or_create_subject_id(environ), context)

The client is yours. When the middleware is given it, it calls `client.init()` as it is made, unless
there is a manifest already: a process begins with a manifest, or after the time that the client
waits for one. WSGI says nothing of an end; the client flushes by itself when the process exits. Put
the middleware outermost: a response that is made further out has no cookies.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.integrations.carried import KEY, Carried, begin, carried_in
from fairlot.integrations.header_lines import waiting_lines, with_lines
from fairlot.integrations.visible_url import encoded_path, visible_url

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# Named here, since those of an inner function are made anew with each request.
Headers = list[tuple[str, str]]
Write = Callable[[bytes], object]


class FairlotMiddleware:
    """`app` with the headers of the SDK on its responses."""

    def __init__(self, app: "WSGIApplication", client: Client | None = None) -> None:
        self.app = app
        self._client = client
        begin(client)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if KEY in environ:  # a middleware further out does it
            return self.app(environ, start_response)
        carried = environ[KEY] = Carried(self._client)

        def start_with_lines(status: str, headers: Headers, *error: Any) -> Write:
            if carried.context is not None and (lines := waiting_lines(carried.context)):
                headers = with_lines(headers, lines)
            return start_response(status, headers, *error)

        return self.app(environ, start_with_lines)


class EnvironHeaders:
    """The headers of an environ."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str) -> str | None:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        value: str | None = self._environ.get(key)
        return value


def request_context(
    environ: "WSGIEnvironment",
    *,
    user: Mapping[str, Any] | None = None,
    account_id: str | None = None,
) -> RequestContext:
    """The one context of the request."""
    carried = carried_in(environ, "wsgi")
    return carried.context_of(lambda: _context_of_environ(environ), user, account_id)


def get_or_create_subject_id(
    environ: "WSGIEnvironment", *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the middleware's unless given: it names the cookie."""
    return carried_in(environ, "wsgi").subject_id(request_context(environ), consent, client)


def _context_of_environ(environ: "WSGIEnvironment") -> RequestContext:
    return RequestContext(EnvironHeaders(environ), _url_of_environ(environ), ResponseHeaders())


def _url_of_environ(environ: Mapping[str, Any]) -> str:
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode(
        "latin-1", "replace"
    )
    return visible_url(
        environ["wsgi.url_scheme"],
        environ.get("HTTP_HOST") or _address(environ),
        encoded_path(raw_path_of(environ), path or b"/"),
        environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
    )


def _address(environ: Mapping[str, Any]) -> str | None:
    name, port = environ.get("SERVER_NAME"), environ.get("SERVER_PORT")
    return f"{name}:{port}" if name and port else name


def raw_path_of(environ: Mapping[str, Any]) -> bytes | None:
    """The path as it came over the wire, where the server tells it."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    return (
        target.partition("?")[0].encode("latin-1", "replace") if isinstance(target, str) else None
    )
