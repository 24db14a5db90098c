import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import pytest

from fairlot.integrations import carried
from fairlot.integrations.asgi import (
    FairlotMiddleware,
    Message,
    Receive,
    Scope,
    Send,
    get_or_create_subject_id,
    request_context,
)
from support.response_kinds import LINES, OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient

OWN = [(b"set-cookie", OWN_COOKIE.encode()), (b"cache-control", b"public")]


def a_scope(**fields: Any) -> Scope:
    plain = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"shop.example")],
        "server": ("10.0.0.1", 8000),
    }
    return {**plain, **fields}


def exchange(app: Any, scope: Scope, incoming: Iterable[Message] = ()) -> list[Message]:
    waiting, sent = list(incoming), []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def fields_of(message: Message) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]


async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
    leave_lines(request_context(scope))
    await send({"type": "http.response.start", "status": 200, "headers": OWN})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


def test_middleware__streamed_response__has_the_lines() -> None:
    start, *bodies = exchange(FairlotMiddleware(streaming), a_scope())
    check("stream", start["status"], fields_of(start))
    assert [message["body"] for message in bodies] == [b"one", b"two"]
    assert [(b"set-cookie", OWN_COOKIE.encode()), (b"cache-control", b"public")] == OWN


def test_middleware__two_of_them__lines_once() -> None:
    (start, *_) = exchange(FairlotMiddleware(FairlotMiddleware(streaming)), a_scope())
    check("stream", start["status"], fields_of(start))


def test_middleware__context_asked_of_a_copy_of_the_scope__has_the_lines() -> None:
    async def copying(scope: Scope, receive: Receive, send: Send) -> None:
        await streaming(dict(scope), receive, send)

    (start, *_) = exchange(FairlotMiddleware(copying), a_scope())
    check("stream", start["status"], fields_of(start))


@pytest.mark.parametrize("asks", [False, True])
def test_middleware__nothing_waits__response_untouched(asks: bool) -> None:
    message = {"type": "http.response.start", "status": 200, "headers": OWN}

    async def silent(scope: Scope, _receive: Receive, send: Send) -> None:
        if asks:
            request_context(scope)
        await send(message)

    (start,) = exchange(FairlotMiddleware(silent), a_scope())
    assert start is message
    assert start["headers"] is OWN


@pytest.mark.parametrize("answer", ["websocket.accept", "websocket.http.response.start"])
def test_middleware__websocket__lines_on_the_answer(answer: str) -> None:
    async def socket(scope: Scope, _receive: Receive, send: Send) -> None:
        leave_lines(request_context(scope))
        await send({"type": answer})
        await send({"type": "websocket.send", "text": "hello"})

    start, message = exchange(FairlotMiddleware(socket), a_scope(type="websocket", scheme="wss"))
    assert [value for name, value in fields_of(start) if name == "set-cookie"] == list(LINES)
    assert message == {"type": "websocket.send", "text": "hello"}


def test_request_context__asked_twice__same_one_with_what_was_given() -> None:
    scope = a_scope()
    FairlotMiddleware(streaming)
    scope[carried.KEY] = carried.Carried()
    first = request_context(scope, user={"tier": "pro"})
    second = request_context(scope, account_id="acme")
    assert first is second
    assert (first.user, first.account_id) == ({"tier": "pro"}, "acme")


def test_request_context__no_middleware__warns_once_and_works(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_warned_of", set())
    with caplog.at_level(logging.WARNING, "fairlot"):
        assert request_context(a_scope()).url == "https://shop.example/"
        request_context(a_scope())
    (record,) = caplog.records
    assert "fairlot.integrations.asgi" in record.getMessage()


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"path": "/a/b", "raw_path": b"/a%2Fb", "query_string": b"q=1"},
            "https://shop.example/a%2Fb?q=1",
        ),
        ({"path": "/caf\xe9", "raw_path": None}, "https://shop.example/caf%C3%A9"),
        ({"path": "/shop/a", "root_path": "/shop"}, "https://shop.example/shop/a"),
        ({"headers": []}, "https://10.0.0.1:8000/"),
        ({"headers": [], "server": ("::1", 80)}, "https://[::1]:80/"),
        ({"headers": [], "server": ("/run/app.sock", None), "query_string": b"q=1"}, "/?q=1"),
        ({"headers": [], "server": None}, "/"),
        ({"headers": [(b"host", b"a b")]}, "/"),
        ({"type": "websocket", "scheme": "wss"}, "https://shop.example/"),
    ],
)
def test_request_context__scope__url_of_the_visitor(fields: dict[str, Any], url: str) -> None:
    assert request_context(a_scope(**fields)).url == url


def test_headers__any_case__found_and_repeated_ones_joined() -> None:
    headers = [(b"cookie", b"a=1"), (b"cookie", b"b=\xe9"), (b"x-a", b"1"), (b"x-a", b"2")]
    context = request_context(a_scope(headers=headers))
    assert context.header("cookie") == "a=1; b=\xe9"
    assert context.header("x-a") == "1, 2"
    assert context.headers is not None
    assert context.headers.get("Cookie") == "a=1; b=\xe9"
    assert context.header("absent") is None


async def living(_scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says when it has started and stopped."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


LIFE = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]


@pytest.mark.parametrize(
    ("has_manifest", "asked"), [(False, ["ainit", "aflush"]), (True, ["aflush"])]
)
def test_lifespan__given_a_client__initialised_and_flushed(
    has_manifest: bool, asked: list[str]
) -> None:
    client = SpyClient(has_manifest=has_manifest)
    app = FairlotMiddleware(living, client)
    assert [message["type"] for message in exchange(app, {"type": "lifespan"}, LIFE)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert client.asked == asked


def test_lifespan__not_all_delivered__how_much_is_told() -> None:
    class Stuck(SpyClient):
        async def aflush(self, within_s: float = 5.0) -> bool:
            return False

    client = Stuck(has_manifest=True)
    exchange(FairlotMiddleware(living, client), {"type": "lifespan"}, LIFE)
    assert client.stats().faults["events_left"] == 1


def test_lifespan__no_client__passed_on() -> None:
    assert len(exchange(FairlotMiddleware(living), {"type": "lifespan"}, LIFE)) == 2


def test_lifespan__application_that_knows_none__its_error() -> None:
    async def ignorant(scope: Scope, _receive: Receive, _send: Send) -> None:
        assert scope["type"] == "http", "no lifespan"

    with pytest.raises(AssertionError, match="no lifespan"):
        exchange(FairlotMiddleware(ignorant, SpyClient()), {"type": "lifespan"}, LIFE)


def subject_cookies_of(app: Any, scope: Scope) -> list[str]:
    start = exchange(app, scope)[0]
    return [value for name, value in fields_of(start) if name == "set-cookie"]


@pytest.mark.parametrize("consent", [True, False])
def test_subject_id__new_visitor__cookie_of_the_middlewares_client_if_there_is_consent(
    consent: bool,
) -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.extend(get_or_create_subject_id(scope, consent=consent) for _ in range(2))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    client = SpyClient(has_subject_cookie="visitor")
    cookies = subject_cookies_of(FairlotMiddleware(app, client), a_scope())
    assert seen[0] == seen[1]
    line = f"visitor={seen[0]}; Path=/; Max-Age=31536000; SameSite=Lax"
    assert cookies == ([line] if consent else [])


def test_subject_id__known_visitor__from_the_cookie() -> None:
    scope = a_scope(headers=[(b"cookie", b"fx_sid=ada")])
    assert get_or_create_subject_id(scope) == "ada"
    other = SpyClient(has_subject_cookie="visitor")
    assert get_or_create_subject_id(scope, client=other) != "ada"
