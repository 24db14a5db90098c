"""Django, under WSGI and under ASGI.

    # settings.py
    FAIRLOT_CLIENT = "shop.experiments.client"  # where your client is, or the client itself
    MIDDLEWARE = ["fairlot.integrations.django.FairlotMiddleware", ...]
    INSTALLED_APPS = [..., "fairlot.integrations.django"]  # for the template tags

and in a view:

    context = request_context(request)
    result = client.exposure("cta", get_or_create_subject_id(request), context)

or in a template: `{% load fairlot %}{% exposure "cta" as cta %}{{ cta.payload.title }}`.

The middleware stands first, so that it reaches every response: streamed ones, error pages, also of
exceptions that nobody handles, files and redirects. As the server loads it, it calls
`client.init()`, unless there is a manifest already; management commands do not load it. The client
flushes by itself when the process exits.
"""

from collections.abc import Callable, Mapping
from http.cookies import Morsel
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.integrations.asgi import ScopeHeaders
from fairlot.integrations.carried import KEY, Carried, begin, carried_in
from fairlot.integrations.header_lines import SET_COOKIE, waiting_lines
from fairlot.integrations.visible_url import encoded_path, visible_url
from fairlot.integrations.wsgi import EnvironHeaders, raw_path_of

_SETTING: Final = "FAIRLOT_CLIENT"


class FairlotMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._client = configured_client()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        begin(self._client)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answer_async(request)
        carried = self._put_into(request)
        response: HttpResponseBase = self.get_response(request)
        _add_lines(response, carried)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        carried = self._put_into(request)
        response: HttpResponseBase = await self.get_response(request)
        _add_lines(response, carried)
        return response

    def _put_into(self, request: HttpRequest) -> Carried | None:
        if KEY in request.META:  # a middleware further out does it
            return None
        carried = request.META[KEY] = Carried(self._client)
        return carried


def request_context(
    request: HttpRequest,
    *,
    user: Mapping[str, Any] | None = None,
    account_id: str | None = None,
) -> RequestContext:
    """The one context of the request. `user` has what audiences look at; Django's own
    `request.user` is not read."""
    carried = carried_in(request.META, "django")
    return carried.context_of(lambda: _context_of(request), user, account_id)


def get_or_create_subject_id(
    request: HttpRequest, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the middleware's unless given: it names the cookie."""
    carried = carried_in(request.META, "django")
    return carried.subject_id(request_context(request), consent, client)


def configured_client() -> Client | None:
    """What the setting FAIRLOT_CLIENT names."""
    named = getattr(settings, _SETTING, None)
    client = import_string(named) if isinstance(named, str) else named
    if client is None or isinstance(client, Client):
        return client
    raise ImproperlyConfigured(
        f"{_SETTING} is {named!r}: name a fairlot.Client, such as 'shop.experiments.client'"
    )


def _context_of(request: HttpRequest) -> RequestContext:
    scope = getattr(request, "scope", None)
    headers = EnvironHeaders(request.META) if scope is None else ScopeHeaders(scope)
    raw = raw_path_of(request.META) if scope is None else scope.get("raw_path")
    try:
        host = request.get_host()
    except (DisallowedHost, KeyError):
        host = None
    path = encoded_path(raw, request.path.encode("utf-8", "surrogatepass"))
    url = visible_url(request.scheme or "http", host, path, request.META.get("QUERY_STRING", ""))
    return RequestContext(headers, url, ResponseHeaders())


def _add_lines(response: HttpResponseBase, carried: Carried | None) -> None:
    for name, value in waiting_lines(None if carried is None else carried.context):
        if name.lower() == SET_COOKIE:
            line = CookieLine(value)
            taken = line.key in response.cookies
            key = f"{line.key};{len(response.cookies)}" if taken else line.key
            response.cookies[key] = line
        else:
            response.headers[name] = value


class CookieLine(Morsel[str]):
    """A `Set-Cookie` line that Django writes as it is: its own morsels sort the attributes and, in
    older Pythons, know no `Partitioned`."""

    def __init__(self, line: str) -> None:
        super().__init__()
        name, _, rest = line.partition("=")
        value = rest.partition(";")[0]
        self.__setstate__({"key": name, "value": value, "coded_value": value, "line": line})

    def __getstate__(self) -> dict[str, Any]:
        morsel = {"key": self.key, "value": self.value, "coded_value": self.coded_value}
        return {**morsel, "line": self.line}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc] # typeshed has not got it
        self.line: str = state["line"]

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802 - the name of what it overrides
        return self.line
