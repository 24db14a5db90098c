import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from fairlot.integrations import carried
from fairlot.integrations.aiohttp import get_or_create_subject_id, request_context, setup
from support.response_kinds import FILE, KINDS, LINES, OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient

OWN = {"Set-Cookie": OWN_COOKIE, "Cache-Control": "public"}
Visitor = Callable[[TestClient[web.Request, web.Application]], Awaitable[Any]]


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=OWN)
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(b"one")
        await response.write(b"two")
    await response.write_eof()
    return response


async def answer(request: web.Request) -> web.StreamResponse:
    leave_lines(request_context(request))
    kind = request.match_info["kind"]
    if kind == "stream":
        return await stream(request)
    if kind == "missing":
        raise web.HTTPNotFound(headers=OWN)
    if kind == "redirect":
        raise web.HTTPFound("/elsewhere", headers=OWN)
    if kind == "broken":
        raise RuntimeError("nobody handles this")
    responses: dict[str, Callable[[], web.StreamResponse]] = {
        "plain": lambda: web.Response(text="hello", headers=OWN),
        "denied": lambda: web.Response(status=403, headers=OWN),
        "file": lambda: web.FileResponse(FILE, headers=OWN),
        "unchanged": lambda: web.Response(status=304, headers=OWN),
    }
    return responses[kind]()


async def accept(request: web.Request) -> web.WebSocketResponse:
    leave_lines(request_context(request))
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


def an_app(*, installed: bool = True) -> web.Application:
    app, inner = web.Application(), web.Application()
    if installed:
        setup(app)
    app.router.add_get("/socket", accept)
    app.router.add_get("/{kind}", answer)
    inner.router.add_get("/{kind}", answer)
    app.add_subapp("/inner", inner)
    return app


def visit(app: web.Application, visitor: Visitor) -> Any:
    async def session() -> Any:
        async with TestClient(TestServer(app)) as client:
            return await visitor(client)

    return asyncio.run(session())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/inner/"])
def test_aiohttp__every_kind_of_response__has_the_lines(path: str, method: str, kind: str) -> None:
    async def look(client: TestClient[web.Request, web.Application]) -> None:
        response = await client.request(method, path + kind, allow_redirects=False)
        check(kind, response.status, response.headers.items(), own=kind != "broken")

    visit(an_app(), look)


def test_aiohttp__websocket__lines_on_its_acceptance() -> None:
    async def look(client: TestClient[web.Request, web.Application]) -> None:
        async with client.ws_connect("/socket") as session:
            assert (await session.receive()).type is WSMsgType.CLOSE
            headers = session._response.headers
        assert headers.getall("Set-Cookie") == list(LINES)

    visit(an_app(), look)


def test_aiohttp__nobody_asked__response_untouched() -> None:
    async def plain(_: web.Request) -> web.Response:
        return web.Response(text="hello", headers=OWN)

    async def look(client: TestClient[web.Request, web.Application]) -> None:
        response = await client.get("/")
        assert response.headers.getall("Set-Cookie") == [OWN_COOKIE]

    app = web.Application()
    app.router.add_get("/", plain)
    setup(app)
    visit(app, look)


def test_aiohttp__context__url_and_headers_of_the_request() -> None:
    seen = []

    async def look_at(request: web.Request) -> web.Response:
        seen.append(request_context(request, user={"tier": "pro"}, account_id="acme"))
        assert request_context(request) is seen[-1]
        return web.Response()

    async def look(client: TestClient[web.Request, web.Application]) -> None:
        await client.get("/a/b%2Fc?q=1", headers={"X-A": "1", "Host": "shop.example"})

    app = web.Application()
    setup(app)
    app.router.add_get("/{rest:.*}", look_at)
    visit(app, look)
    (context,) = seen
    assert context.url == "http://shop.example/a/b%2Fc?q=1"
    assert context.header("x-a") == "1"
    assert (context.user, context.account_id) == ({"tier": "pro"}, "acme")


def test_aiohttp__whole_url_in_the_request_line__path_of_it() -> None:
    request = make_mocked_request(
        "GET", "http://shop.example/a%2Fb?q=1", headers={"Host": "proxy.example"}, app=an_app()
    )
    assert request_context(request).url == "http://shop.example/a%2Fb?q=1"


def test_aiohttp__not_set_up__warns_and_works(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(client: TestClient[web.Request, web.Application]) -> None:
        assert (await client.get("/denied")).headers.getall("Set-Cookie") == [OWN_COOKIE]

    monkeypatch.setattr(carried, "_warned_of", set())
    visit(an_app(installed=False), look)
    (record,) = [record for record in caplog.records if record.name == "fairlot"]
    assert "fairlot.integrations.aiohttp" in record.getMessage()


@pytest.mark.parametrize(
    ("has_manifest", "asked"), [(False, ["ainit", "aflush"]), (True, ["aflush"])]
)
def test_aiohttp__given_a_client__initialised_flushed_and_used_for_the_subject(
    has_manifest: bool, asked: list[str]
) -> None:
    client = SpyClient(has_manifest=has_manifest, has_subject_cookie="visitor")

    async def answer_with_id(request: web.Request) -> web.Response:
        return web.Response(text=get_or_create_subject_id(request))

    async def look(visitor: TestClient[web.Request, web.Application]) -> None:
        first = await visitor.get("/")
        subject_id = await first.text()
        assert first.headers["Set-Cookie"].startswith(f"visitor={subject_id}; Path=/;")
        again = await visitor.get("/", headers={"Cookie": f"visitor={subject_id}"})
        assert await again.text() == subject_id
        assert "Set-Cookie" not in again.headers

    app = web.Application()
    setup(app, client)
    app.router.add_get("/", answer_with_id)
    visit(app, look)
    assert client.asked == asked
