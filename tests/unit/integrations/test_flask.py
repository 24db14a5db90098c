from collections.abc import Iterator
from typing import Any

import flask
import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from fairlot.integrations.flask import Fairlot, get_or_create_subject_id, request_context
from support.response_kinds import FILE, KINDS, OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient

OWN = {"Set-Cookie": OWN_COOKIE, "Cache-Control": "public"}


def pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def answer(kind: str) -> Any:
    leave_lines(request_context())
    if kind == "missing":
        flask.abort(404)
    if kind == "broken":
        raise RuntimeError("nobody handles this")
    responses: dict[str, Any] = {
        "plain": lambda: flask.Response("hello", headers=OWN),
        "stream": lambda: flask.Response(pieces(), headers=OWN),
        "denied": lambda: flask.Response("no", 403, headers=OWN),
        "redirect": lambda: flask.Response(status=302, headers={**OWN, "Location": "/elsewhere"}),
        "file": lambda: flask.send_file(FILE),
        "unchanged": lambda: flask.Response(status=304, headers=OWN),
    }
    return responses[kind]()


def an_app() -> flask.Flask:
    app = flask.Flask(__name__)
    app.add_url_rule("/<kind>", view_func=answer)
    return app


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_flask__every_kind_of_response__has_the_lines(method: str, kind: str) -> None:
    app = an_app()
    Fairlot(app)
    response = app.test_client().open(f"/{kind}", method=method)
    own = kind not in ("missing", "broken", "file")
    check(kind, response.status_code, response.headers.items(), own=own)
    response.close()


def test_flask__extension_made_before_the_application__reached_from_it() -> None:
    app, fairlot = an_app(), Fairlot()
    fairlot.init_app(app)
    fairlot.init_app(app)
    assert app.extensions["fairlot"] is fairlot
    response = app.test_client().get("/plain")
    check("plain", response.status_code, response.headers.items())


def test_flask__context__url_and_headers_of_the_request() -> None:
    app = flask.Flask(__name__)
    Fairlot(app)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/a/<path:rest>")
    def look(rest: str) -> dict[str, Any]:
        context = request_context(flask.request, user={"tier": "pro"}, account_id="acme")
        assert context is request_context()
        return {"url": context.url, "x": context.header("x-a"), "user": context.user}

    headers = {"X-A": "1", "X-Forwarded-Proto": "https", "Host": "shop.example"}
    answer = app.test_client().get("/a/b%2Fc?q=1", headers=headers).json
    assert answer == {
        "url": "https://shop.example/a/b%2Fc?q=1",
        "x": "1",
        "user": {"tier": "pro"},
    }


def test_flask__no_request__says_so() -> None:
    with pytest.raises(RuntimeError, match="request context"):
        request_context()


def test_flask__given_a_client__initialised_and_used_for_the_subject() -> None:
    client = SpyClient(has_subject_cookie="visitor")
    app = flask.Flask(__name__)
    Fairlot(app, client)
    assert client.asked == ["init"]

    @app.get("/")
    def look() -> str:
        return get_or_create_subject_id(consent="agreed" in flask.request.args)

    browser = app.test_client()
    assert "Set-Cookie" not in browser.get("/").headers
    response = browser.get("/?agreed")
    assert response.headers["Set-Cookie"].startswith(f"visitor={response.text}; Path=/;")
    assert browser.get("/").text == response.text
