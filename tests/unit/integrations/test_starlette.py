from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from fairlot.integrations.starlette import FairlotMiddleware, request_context
from support.response_kinds import FILE, KINDS, LINES, OWN_COOKIE, check, leave_lines
from support.starlette_client import TestClient

OWN = {"set-cookie": OWN_COOKIE, "cache-control": "public"}


async def pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


def response_of(kind: str) -> Response:
    if kind == "missing":
        raise HTTPException(404, headers=OWN)
    if kind == "broken":
        raise RuntimeError("nobody handles this")
    responses: dict[str, Any] = {
        "plain": lambda: PlainTextResponse("hello", headers=OWN),
        "stream": lambda: StreamingResponse(pieces(), headers=OWN),
        "denied": lambda: PlainTextResponse("no", 403, headers=OWN),
        "redirect": lambda: RedirectResponse("/elsewhere", 302, headers=OWN),
        "file": lambda: FileResponse(FILE, headers=OWN),
        "unchanged": lambda: Response(status_code=304, headers=OWN),
    }
    response: Response = responses[kind]()
    return response


async def answer(request: Request) -> Response:
    leave_lines(request_context(request))
    return response_of(request.path_params["kind"])


async def accept(websocket: WebSocket) -> None:
    leave_lines(request_context(websocket))
    await websocket.accept()
    await websocket.close()


ROUTES = [
    Route("/{kind}", answer),
    WebSocketRoute("/socket", accept),
    Mount("/inner", routes=[Route("/{kind}", answer)]),
]


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Starlette(routes=ROUTES, middleware=[Middleware(FairlotMiddleware)])
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "broken"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/inner/"])
def test_starlette__every_kind_of_response__has_the_lines(
    client: TestClient, method: str, path: str, kind: str
) -> None:
    response = client.request(method, path + kind)
    check(kind, response.status_code, response.headers.multi_items())
    assert method == "GET" or response.content == b""


@pytest.mark.parametrize("kind", KINDS)
def test_starlette__wrapped_as_a_whole__also_the_unhandled_exception(kind: str) -> None:
    app = FairlotMiddleware(Starlette(routes=ROUTES))
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)
    response = client.get(f"/{kind}")
    check(kind, response.status_code, response.headers.multi_items(), own=kind != "broken")


def test_starlette__middleware_that_copies_requests__has_the_lines() -> None:
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    layers = [Middleware(FairlotMiddleware), Middleware(Passing)]
    client = TestClient(Starlette(routes=ROUTES, middleware=layers))
    response = client.get("/plain")
    check("plain", response.status_code, response.headers.multi_items())


def test_starlette__response_sent_again__no_lines_of_another_request() -> None:
    shared = PlainTextResponse("hello")

    async def answer(request: Request) -> Response:
        if "ask" in request.query_params:
            leave_lines(request_context(request))
        return shared

    app = Starlette(routes=[Route("/", answer)], middleware=[Middleware(FairlotMiddleware)])
    client = TestClient(app)
    assert "set-cookie" in client.get("/?ask=1").headers
    assert "set-cookie" not in client.get("/").headers


def test_starlette__websocket__lines_on_its_acceptance(client: TestClient) -> None:
    with client.websocket_connect("/socket") as session:
        assert session.extra_headers is not None
        headers = list(session.extra_headers)
    assert [value.decode() for name, value in headers if name == b"set-cookie"] == list(LINES)


def test_starlette__context__url_and_headers_of_the_request(client: TestClient) -> None:
    seen = []

    async def look(request: Request) -> Response:
        seen.append(request_context(request, user={"tier": "pro"}))
        assert request_context(request) is seen[-1]
        return Response()

    app = Starlette(
        routes=[Route("/a/{rest:path}", look)], middleware=[Middleware(FairlotMiddleware)]
    )
    TestClient(app, base_url="https://shop.example").get("/a/b%2Fc?q=1", headers={"X-A": "1"})
    (context,) = seen
    assert context.url == "https://shop.example/a/b%2Fc?q=1"
    assert context.header("x-a") == "1"
    assert context.user == {"tier": "pro"}
