"""The same small site in three frameworks, each with a client of its own, on servers of their own.

`/decide?key=...` tells what `treatment_with_preview` gave, `/expose?key=...` what `exposure` did.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import flask
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fairlot import Client, TreatmentResult
from fairlot.engine import Manifest
from fairlot.integrations import django as with_django
from fairlot.integrations import fastapi as with_fastapi
from fairlot.integrations import flask as with_flask
from support import django_site, live, wsgi_server


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    url: str
    client: Client


@contextmanager
def sites(make_client: Callable[[], Client], manifest: Manifest) -> Iterator[Mapping[str, Site]]:
    """All three, by the name of their framework."""
    with ExitStack() as stack:
        found = {}
        for name, serving in _SERVINGS.items():
            client = make_client()
            stack.callback(client.close)
            client.set_manifest(manifest)
            port = stack.enter_context(serving(client))
            found[name] = Site(name, f"http://127.0.0.1:{port}", client)
        yield found


def _told(result: TreatmentResult) -> dict[str, Any]:
    return {
        "variant": result.variant_key,
        "reason": result.reason.value,
        "in_experiment": result.in_experiment,
    }


@contextmanager
def _serving_fastapi(client: Client) -> Iterator[int]:
    app = FastAPI()
    app.add_middleware(with_fastapi.FairlotMiddleware, client=client)

    @app.get("/decide")
    async def decide(
        key: str, context: with_fastapi.Context, subject_id: with_fastapi.SubjectId
    ) -> dict[str, Any]:
        return _told(await client.atreatment_with_preview(key, subject_id, context))

    @app.get("/expose")
    def expose(
        key: str, context: with_fastapi.Context, subject_id: with_fastapi.SubjectId
    ) -> dict[str, Any]:
        return _told(client.exposure(key, subject_id, context))

    with live.serving(app, HttpToolsProtocol) as port:
        yield port


@contextmanager
def _serving_django(client: Client) -> Iterator[int]:
    django_site.set_up()

    def decide(request: HttpRequest) -> JsonResponse:
        context = with_django.request_context(request)
        subject_id = with_django.get_or_create_subject_id(request)
        return JsonResponse(
            _told(client.treatment_with_preview(request.GET["key"], subject_id, context))
        )

    def expose(request: HttpRequest) -> JsonResponse:
        context = with_django.request_context(request)
        subject_id = with_django.get_or_create_subject_id(request)
        return JsonResponse(_told(client.exposure(request.GET["key"], subject_id, context)))

    with (
        django_site.routes({"decide": decide, "expose": expose}) as urls,
        override_settings(ROOT_URLCONF=urls, FAIRLOT_CLIENT=client),
        wsgi_server.serving(WSGIHandler()) as port,
    ):
        yield port


@contextmanager
def _serving_flask(client: Client) -> Iterator[int]:
    app = flask.Flask(__name__)
    with_flask.Fairlot(app, client)

    @app.get("/decide")
    def decide() -> dict[str, Any]:
        subject_id = with_flask.get_or_create_subject_id()
        context = with_flask.request_context()
        return _told(client.treatment_with_preview(flask.request.args["key"], subject_id, context))

    @app.get("/expose")
    def expose() -> dict[str, Any]:
        subject_id = with_flask.get_or_create_subject_id()
        context = with_flask.request_context()
        return _told(client.exposure(flask.request.args["key"], subject_id, context))

    with wsgi_server.serving(app) as port:
        yield port


_SERVINGS = {"fastapi": _serving_fastapi, "django": _serving_django, "flask": _serving_flask}
