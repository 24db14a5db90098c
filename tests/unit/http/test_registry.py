import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from fairlot.http.asgi import Receive, Reply, Scope
from fairlot.http.openapi import openapi_document
from fairlot.http.registry import Registry, Route
from fairlot.http.routes import ROUTES, openapi_json
from fairlot.manifest.schema import read_schema
from support.asgi import AsgiClient
from support.serving import Desk, a_desk, a_project, a_snapshot, an_experiment


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot(a_project(an_experiment()))) as desk:
        yield desk


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//",
        "*",
        "/nothing",
        "/healthz/",
        "/api/v1/experiments/assignmentsx",
        "/%2e%2e/a",
        "/v1/default%00/manifest.json",
    ],
)
def test_registry__path_of_no_route__is_a_404_problem(desk: Desk, path: str) -> None:
    answer = desk.client.get(path)
    assert answer.status == 404
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nothing is here; GET /openapi.json lists all paths",
        "code": "not_found",
    }


def test_registry__literal_segment__comes_before_a_named_one(desk: Desk) -> None:
    routes = (
        a_route("/assignments/{key}", "hot", method="POST"),
        a_route("/a/{name}/end", "named end"),
        a_route("/a/b/{last}", "literal b"),
        a_route("/a/{name}/{last}", "both named"),
    )
    client = AsgiClient(Registry(routes, desk.services, "/assignments/"))
    for path, expected in (
        ("/a/b/x", b"literal b"),
        ("/a/b/end", b"literal b"),
        ("/a/c/end", b"named end"),
        ("/a/c/x", b"both named"),
    ):
        assert client.get(path).body == expected
    for path in ("/a/b", "/a/b/x/y", "/a//", "/b/b/x"):
        assert (client.get(path).status == 200) == (path == "/a//")
    client.close()


def test_registry__segments_named_differently__are_a_fault(desk: Desk) -> None:
    routes = (a_route("/a/{name}", "get"), a_route("/a/{key}", "post", method="POST"))
    with pytest.raises(ValueError, match="names its segments differently"):
        Registry(routes, desk.services, "/a/")


def a_route(path: str, says: str, method: str = "GET") -> Route:
    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        return Reply(200, says.encode())

    return Route(method, path, says, lambda _services: answer, {})


def test_registry__handler_that_fails__is_a_500_problem_without_details(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.services.counts, "requests", [0] * 600)
    desk.services.decisions.snapshot = None  # type: ignore[assignment]
    answer = desk.client.get("/v1/default/manifest.json")
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert "NoneType" not in answer.body.decode()
    assert desk.assign().json["success"] is False


def test_openapi__both_paths__serve_the_document_of_all_routes(desk: Desk) -> None:
    answer = desk.client.get("/openapi.json")
    assert answer.status == 200
    assert answer.body == desk.client.get("/api/v1/openapi").body == openapi_json()
    served = {
        (method.upper(), path) for path, item in answer.json["paths"].items() for method in item
    }
    assert served == {(route.method, route.path) for route in ROUTES}


def test_schema__of_experiment_files__is_served(desk: Desk) -> None:
    answer = desk.client.get("/schema.json")
    assert (answer.status, answer.body.decode()) == (200, read_schema())
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_openapi__every_reference__resolves_and_every_id_is_its_own() -> None:
    document = openapi_document(ROUTES)
    operations = [item for path in document["paths"].values() for item in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for reference in references_of(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_openapi__refusals__are_documented_with_their_shape() -> None:
    paths = openapi_document(ROUTES)["paths"]
    assign = paths["/api/v1/experiments/assignments/{experiment_key}"]["post"]["responses"]
    assert set(assign) == {"200", *["400", "401", "404", "405", "408", "413", "429", "431", "503"]}
    assert "Retry-After" in assign["429"]["headers"]
    assert "application/json" in assign["404"]["content"]
    healthz = paths["/healthz"]["get"]["responses"]
    assert "application/problem+json" in healthz["405"]["content"]


def test_openapi__answers__fit_their_schemas(desk: Desk) -> None:
    document = openapi_document(ROUTES)
    path = "/api/v1/experiments/assignments/{experiment_key}"
    responses = document["paths"][path]["post"]["responses"]
    for answer in (desk.assign(), desk.assign("nothing"), desk.assign(visitor_id="")):
        schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(
            answer.json
        )


def references_of(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from references_of(item)


def test_registry__summaries__have_the_article_of_their_noun() -> None:
    assert [route.summary for route in ROUTES if re.search(r"\b[Aa] [aeio]", route.summary)] == []
