"""AWS Lambda behind an API Gateway (HTTP API, or REST API), an application load balancer or a
function URL.

    client = Client("https://experiments.example/v1/acme/manifest.json")

    @fairlot_handler(client)
    def handler(event, _):
        context = request_context(event)
        result = client.exposure("cta", get_or_create_subject_id(event), context)
        return {"statusCode": 200, "body": result.variant_key or "control"}

The decorator puts cookies and headers where the sender of the event looks for them; without it,
return `with_headers(event, response)`. When it is given the client, it calls `client.init()` while
the function is loaded, unless there is a manifest already, and after every event `client.flush()`:
between events a function is frozen and delivers nothing. Other events, such as those of a schedule
for `client.refresh()`, pass.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import wraps
from itertools import product
from typing import Any, Final
from urllib.parse import urlencode

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.integrations.carried import Carried, begin
from fairlot.integrations.header_lines import SET_COOKIE, waiting_lines, with_lines
from fairlot.integrations.visible_url import escaped_path, visible_url

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]
Lines = Iterable[tuple[str, str]]

# Kept beside the event and not in it: functions log their events as JSON.
_present: ContextVar[tuple[Event, Carried] | None] = ContextVar("fairlot.event", default=None)
_SPELLINGS: Final = [{letter: 0, letter.upper(): 0} for letter in SET_COOKIE]


def fairlot_handler(
    client: Client | None = None, *, flush_within_s: float = 2.0
) -> Callable[[Handler], Handler]:
    """Decorates a handler."""
    begin(client)

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        def handle(event: Event, lambda_context: Any) -> Any:
            _present.set((event, Carried(client)))
            try:
                return with_headers(event, handler(event, lambda_context))
            finally:
                _present.set(None)
                if client is not None:
                    client.flush(within_s=flush_within_s)

        return handle

    return decorated


def request_context(
    event: Event, *, user: Mapping[str, Any] | None = None, account_id: str | None = None
) -> RequestContext:
    """The one context of the event."""
    return _carried_by(event).context_of(lambda: _context_of(event), user, account_id)


def get_or_create_subject_id(
    event: Event, *, consent: bool = True, client: Client | None = None
) -> str:
    """The subject id in the request's cookie, else a new one, whose cookie goes on the response if
    there is consent. `client` is the decorator's unless given: it names the cookie."""
    return _carried_by(event).subject_id(request_context(event), consent, client)


def with_headers(event: Event, response: Any) -> Any:
    """`response` with what waits for it: a new one, or itself when nothing does."""
    lines = waiting_lines(_carried_by(event).context)
    if not lines:
        return response
    if "rawPath" in event:
        return _with_cookie_list(_full_response(response), lines)
    if not isinstance(response, dict):
        return response  # what only its sender understands
    if event.get("multiValueHeaders") is not None:
        return _with_multi_value_headers(response, lines)
    return _with_single_headers(response, lines)


def _carried_by(event: Event) -> Carried:
    present = _present.get()
    if present is None or present[0] is not event:
        present = (event, Carried())
        _present.set(present)
    return present[1]


def _context_of(event: Event) -> RequestContext:
    about = event.get("requestContext") or {}
    headers = _headers_of(event)
    if "rawPath" in event:
        path, query, scheme = event["rawPath"], event.get("rawQueryString") or "", "https"
    else:
        path, query = about.get("path") or event.get("path") or "/", _query_of(event)
        scheme = headers.get("x-forwarded-proto", "https")
    host = headers.get("host") or about.get("domainName")
    url = visible_url(scheme, host, escaped_path(path), query)
    return RequestContext(headers, url, ResponseHeaders())


def _headers_of(event: Event) -> dict[str, str]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        headers[name.lower()] = ("; " if name.lower() == "cookie" else ", ").join(values)
    if event.get("cookies"):
        headers["cookie"] = "; ".join(event["cookies"])
    return headers


def _query_of(event: Event) -> str:
    """A load balancer gives names and values as they came, a gateway decoded ones."""
    values = event.get("multiValueQueryStringParameters") or {
        name: [value] for name, value in (event.get("queryStringParameters") or {}).items()
    }
    pairs = [(name, value) for name, several in values.items() for value in several]
    if "elb" in (event.get("requestContext") or {}):
        return "&".join(f"{name}={value}" for name, value in pairs)
    return urlencode(pairs)


def _full_response(response: Any) -> Event:
    """What the gateway makes of a response without a status code."""
    if isinstance(response, dict) and "statusCode" in response:
        return response
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": response if isinstance(response, str) else json.dumps(response),
    }


def _with_cookie_list(response: Event, lines: Lines) -> Event:
    cookies = [value for name, value in lines if name.lower() == SET_COOKIE]
    others = [(name, value) for name, value in lines if name.lower() != SET_COOKIE]
    return {
        **response,
        "headers": dict(with_lines((response.get("headers") or {}).items(), others)),
        "cookies": [*(response.get("cookies") or []), *cookies],
    }


def _with_multi_value_headers(response: Event, lines: Lines) -> Event:
    """`headers` move too: beside `multiValueHeaders` a load balancer does not read them."""
    single = {name: [value] for name, value in (response.get("headers") or {}).items()}
    several = {**single, **(response.get("multiValueHeaders") or {})}
    given = [(name, value) for name, values in several.items() for value in values]
    headers: dict[str, list[str]] = {}
    for name, value in with_lines(given, lines):
        headers.setdefault(name, []).append(value)
    kept = {name: value for name, value in response.items() if name != "headers"}
    return {**kept, "multiValueHeaders": headers}


def _with_single_headers(response: Event, lines: Lines) -> Event:
    """One value a name, but names differ by their case: each cookie has a spelling of its own."""
    headers = dict(response.get("headers") or {})
    spellings = ("".join(letters) for letters in product(*_SPELLINGS))
    for name, value in with_lines((), lines):
        if name.lower() == SET_COOKIE:
            name = next((each for each in spellings if each not in headers), name)
        else:
            headers = {key: headers[key] for key in headers if key.lower() != name.lower()}
        headers[name] = value
    return {**response, "headers": headers}
