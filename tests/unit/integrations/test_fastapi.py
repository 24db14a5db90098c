from contextlib import closing
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse

from fairlot import RequestContext
from fairlot.integrations.fastapi import (
    Context,
    FairlotMiddleware,
    SubjectId,
    request_context,
)
from support.response_kinds import LINES, OWN_COOKIE, check, leave_lines
from support.spy_client import SpyClient
from support.starlette_client import TestClient

OWN = {"set-cookie": OWN_COOKIE, "cache-control": "public"}


def of_the_account(request: Request) -> RequestContext:
    return request_context(request, user={"tier": "pro"}, account_id="acme")


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(FairlotMiddleware)

    @app.get("/plain")
    def plain(context: Context, response: Response) -> str:
        leave_lines(context)
        response.headers.update(OWN)
        return "hello"

    @app.get("/stream")
    async def stream(context: Context) -> StreamingResponse:
        leave_lines(context)
        return StreamingResponse(iter([b"one", b"two"]), headers=OWN)

    @app.get("/missing")
    def missing(context: Context) -> None:
        leave_lines(context)
        raise HTTPException(404, headers=OWN)

    @app.get("/redirect")
    def redirect(context: Context) -> RedirectResponse:
        leave_lines(context)
        return RedirectResponse("/elsewhere", 302, headers=OWN)

    @app.get("/invalid")
    def invalid(context: Context, number: int) -> None:
        raise NotImplementedError

    @app.get("/same")
    def same(
        request: Request,
        context: Context,
        given: Annotated[RequestContext, Depends(of_the_account)],
    ) -> dict[str, object]:
        assert context is given is request_context(request)
        return {"user": given.user, "account_id": given.account_id, "url": context.url}

    @app.websocket("/socket")
    async def accept(websocket: WebSocket, context: Context) -> None:
        leave_lines(context)
        await websocket.accept()
        await websocket.close()

    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize("kind", ["plain", "stream", "missing", "redirect"])
def test_fastapi__every_kind_of_response__has_the_lines(client: TestClient, kind: str) -> None:
    response = client.get(f"/{kind}")
    check(kind, response.status_code, response.headers.multi_items())


def test_fastapi__dependencies__are_no_query_parameters(client: TestClient) -> None:
    assert client.get("/same?q=1").json() == {
        "user": {"tier": "pro"},
        "account_id": "acme",
        "url": "http://testserver/same?q=1",
    }
    parameters = client.get("/openapi.json").json()["paths"]["/invalid"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["number"]


def test_fastapi__request_that_is_refused_before_the_endpoint__answered(client: TestClient) -> None:
    assert client.get("/invalid?number=x").status_code == 422


def test_fastapi__websocket__lines_on_its_acceptance(client: TestClient) -> None:
    with client.websocket_connect("/socket") as session:
        assert session.extra_headers is not None
        headers = list(session.extra_headers)
    assert [value.decode() for name, value in headers if name == b"set-cookie"] == list(LINES)


@pytest.mark.parametrize("has_manifest", [False, True])
def test_fastapi__application_started_twice__client_still_works(has_manifest: bool) -> None:
    fairlot = SpyClient(has_manifest=has_manifest, has_subject_cookie="visitor")
    app = FastAPI()
    app.add_middleware(FairlotMiddleware, client=fairlot)

    @app.get("/")
    def home(context: Context, subject_id: SubjectId) -> str | None:
        fairlot.exposure("hero", subject_id, context)
        return subject_id

    with closing(fairlot):  # without a manifest it fetches in a thread, and warns
        for _ in range(2):
            with TestClient(app) as browser:
                subject_id = browser.get("/").json()
                assert browser.cookies["visitor"] == subject_id
                assert browser.get("/").json() == subject_id
            assert (subject_id in fairlot.exposed) is has_manifest
    assert fairlot.asked == (["aflush"] * 2 if has_manifest else ["ainit", "aflush"] * 2)
