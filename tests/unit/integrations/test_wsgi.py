import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from fairlot.integrations.wsgi import (
    FairlotMiddleware,
    get_or_create_subject_id,
    request_context,
)
from support.response_kinds import OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient

OWN = [("Set-Cookie", OWN_COOKIE), ("Cache-Control", "public"), ("Content-Type", "text/plain")]


def an_environ(**fields: Any) -> WSGIEnvironment:
    environ: WSGIEnvironment = {"HTTP_HOST": "shop.example", "wsgi.url_scheme": "https"}
    setup_testing_defaults(environ)
    return {**environ, "QUERY_STRING": "", **fields}


def exchange(app: Any, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]], bytes]:
    started: list[Any] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], object]:
        started.append((int(status.split()[0]), headers))
        return sys.stdout.write  # type: ignore[return-value]

    answer = app(environ, start_response)
    body = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    status, headers = started[-1]
    return status, headers, body


def leaving(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    leave_lines(request_context(environ))
    start_response("200 OK", OWN)
    return [b"one", b"two"]


def leaving_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A generator: nothing happens before its first piece is asked for."""
    leave_lines(request_context(environ))
    start_response("200 OK", OWN)
    yield b"one"
    yield b"two"


def failing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Begins a response and then another one, as WSGI has it for errors."""
    leave_lines(request_context(environ))
    start_response("200 OK", [])
    try:
        raise RuntimeError("too late")
    except RuntimeError:
        start_response("500 Broken", OWN, sys.exc_info())
    return [b"broken"]


@pytest.mark.parametrize(
    ("app", "kind"), [(leaving, "plain"), (leaving_late, "stream"), (failing, "broken")]
)
def test_middleware__every_kind_of_application__has_the_lines(app: Any, kind: str) -> None:
    status, headers, body = exchange(FairlotMiddleware(app), an_environ())
    check(kind, status, headers)
    assert body in (b"onetwo", b"broken")
    assert OWN[1] == ("Cache-Control", "public")


def test_middleware__two_of_them__lines_once() -> None:
    status, headers, _ = exchange(FairlotMiddleware(FairlotMiddleware(leaving)), an_environ())
    check("plain", status, headers)


def test_middleware__checked_by_the_standard_library__keeps_to_wsgi() -> None:
    app = validator(FairlotMiddleware(validator(leaving)))
    status, headers, _ = exchange(app, an_environ())
    check("plain", status, headers)


@pytest.mark.parametrize("asks", [False, True])
def test_middleware__nothing_waits__headers_untouched(asks: bool) -> None:
    def silent(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if asks:
            request_context(environ)
        start_response("200 OK", OWN)
        return []

    assert exchange(FairlotMiddleware(silent), an_environ())[1] is OWN


def test_request_context__asked_twice__same_one_with_what_was_given() -> None:
    environ = an_environ()
    first = request_context(environ, user={"tier": "pro"})
    second = request_context(environ, account_id="acme")
    assert first is second
    assert (first.user, first.account_id) == ({"tier": "pro"}, "acme")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"PATH_INFO": "/a", "QUERY_STRING": "q=%41"}, "https://shop.example/a?q=%41"),
        ({"SCRIPT_NAME": "/shop", "PATH_INFO": "/a"}, "https://shop.example/shop/a"),
        ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb?q=1"}, "https://shop.example/a%2Fb"),
        ({"PATH_INFO": "/a/b", "REQUEST_URI": "/a%2Fb"}, "https://shop.example/a%2Fb"),
        ({"PATH_INFO": "/new", "REQUEST_URI": "/old"}, "https://shop.example/new"),
        ({"PATH_INFO": "/caf\xc3\xa9"}, "https://shop.example/caf%C3%A9"),
        ({"PATH_INFO": ""}, "https://shop.example/"),
        ({"HTTP_HOST": ""}, "https://127.0.0.1:443/"),
        ({"HTTP_HOST": "a/b?"}, "/"),
    ],
)
def test_request_context__environ__url_of_the_visitor(fields: dict[str, Any], url: str) -> None:
    assert request_context(an_environ(**fields)).url == url


def test_request_context__environ_of_a_single_name__relative_url() -> None:
    environ = {"wsgi.url_scheme": "http", "SERVER_NAME": "", "SERVER_PORT": ""}
    assert request_context(environ).url == "/"


def test_headers__any_case__found() -> None:
    environ = an_environ(HTTP_COOKIE="a=1", HTTP_X_A="1", CONTENT_TYPE="text/plain")
    context = request_context(environ)
    assert context.header("cookie") == "a=1"
    assert context.header("x-a") == "1"
    assert context.header("content-type") == "text/plain"
    assert context.header("absent") is None


@pytest.mark.parametrize(("has_manifest", "asked"), [(False, ["init"]), (True, [])])
def test_middleware__given_a_client__initialised_unless_it_has_a_manifest(
    has_manifest: bool, asked: list[str]
) -> None:
    client = SpyClient(has_manifest=has_manifest)
    FairlotMiddleware(leaving, client)
    assert client.asked == asked


def test_subject_id__new_and_known_visitor__cookie_of_the_middlewares_client() -> None:
    seen = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(get_or_create_subject_id(environ))
        start_response("200 OK", [])
        return []

    wrapped = FairlotMiddleware(app, SpyClient(has_subject_cookie="visitor"))
    _, headers, _ = exchange(wrapped, an_environ())
    line = f"visitor={seen[0]}; Path=/; Max-Age=31536000; SameSite=Lax"
    assert headers == [("Set-Cookie", line)]
    _, headers, _ = exchange(wrapped, an_environ(HTTP_COOKIE=f"a=1; visitor={seen[0]}"))
    assert seen[1] == seen[0]
    assert headers == []
