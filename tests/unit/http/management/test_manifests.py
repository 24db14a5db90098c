"""Versions of manifests over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from fairlot.manifest import verify_manifest
from fairlot.store.tables import manifests
from support.control import ControlBench, control_bench

PROJECT = "/api/v1/orgs/default/projects/default"
MANIFESTS = PROJECT + "/manifests"
NOW = "2023-11-14T22:13:20.000Z"  # the clock of the bench stands still


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def revoke(bench: ControlBench, version: int, reason: str = "wrong") -> object:
    answer = bench.post(f"{MANIFESTS}/{version}/revoke", {"reason": reason})
    assert answer.status == 200, answer.body
    return answer.json


def test_list__after_a_revocation__has_both_versions(bench: ControlBench) -> None:
    assert revoke(bench, 0) == {
        "version": 0,
        "changed": True,
        "published": 1,
        "isSameContent": True,
    }
    newest, first = bench.get(MANIFESTS).json["items"]
    assert (newest["version"], newest["revoked"], newest["note"]) == (
        1,
        False,
        "in place of version 0, which was revoked",
    )
    assert newest["author"] == "key:" + bench.keys["admin"][7:15]
    assert first | {"kid": ""} == {
        "version": 0,
        "publishedAt": NOW,
        "author": "system",
        "note": "the project is created",
        "kid": "",
        "revoked": True,
        "revokedAt": NOW,
        "revokeReason": "wrong",
    }


def test_list__page_by_page__gives_each_once(bench: ControlBench) -> None:
    for version in range(3):
        revoke(bench, version)
    page = bench.get(MANIFESTS + "?limit=3").json
    rest = bench.get(f"{MANIFESTS}?limit=3&cursor={page['next']}").json
    assert [item["version"] for item in (*page["items"], *rest["items"])] == [3, 2, 1, 0]
    assert rest["next"] is None


def test_show__one_version__has_what_was_signed(bench: ControlBench) -> None:
    found = bench.get(MANIFESTS + "/0").json
    assert found["manifest"]["schema"] == "fairlot.manifest/1"
    assert found["manifest"]["experiments"] == []
    assert found["version"] == found["manifest"]["version"] == 0


def test_show__what_only_the_server_decides_by__stands_apart(bench: ControlBench) -> None:
    assert bench.get(MANIFESTS + "/0").json["server"] is None
    fed = (
        "key: fed\nname: Fed\n"
        "variants: [{key: a, name: A, payload: {$feed: newest}}, {key: b, name: B}]\n"
    )
    file = {"path": "fed.yaml", "text": fed}
    assert bench.post(PROJECT + "/apply", {"files": [file]}).status == 200
    found = bench.get(MANIFESTS + "/1").json
    assert "payload" not in found["manifest"]["experiments"][0]["variants"][0]
    assert found["server"]["experiments"][0]["variants"][0]["payload"] == {"$feed": "newest"}
    (added,) = bench.get(MANIFESTS + "/1/diff").json["differences"]
    assert (added["key"], added["change"]) == ("fed", "added")


def test_diff__against_the_version_before_or_another__tells_what_differs(
    bench: ControlBench,
) -> None:
    revoke(bench, 0)
    bench.post("/api/v1/orgs/default/signing-keys/rotate", {"force": True})
    found = bench.get(MANIFESTS + "/2/diff").json
    assert (found["from"], found["to"], found["differences"]) == (1, 2, [])
    assert (len(found["keysAdded"]), found["keysRemoved"]) == (1, [])
    assert bench.get(MANIFESTS + "/2/diff?from=0").json == {**found, "from": 0}
    back = bench.get(MANIFESTS + "/1/diff?from=2").json
    assert back["keysRemoved"] == found["keysAdded"]
    first = bench.get(MANIFESTS + "/0/diff").json
    assert (first["from"], len(first["keysAdded"])) == (None, 2)


@pytest.mark.parametrize(
    ("path", "status"), [("/0/diff?from=7", 404), ("/7/diff", 404), ("/0/diff?from=x", 400)]
)
def test_diff__version_that_is_not_there__is_refused(
    bench: ControlBench, path: str, status: int
) -> None:
    assert bench.get(MANIFESTS + path).status == status


@pytest.mark.parametrize("version", ["7", "-1", "00", "newest", "99999999999"])
@pytest.mark.parametrize("verb", ["GET", "revoke"])
def test_version__one_that_is_not_there__is_404(
    bench: ControlBench, version: str, verb: str
) -> None:
    path = f"{MANIFESTS}/{version}"
    answer = bench.get(path) if verb == "GET" else bench.post(path + "/revoke", {"reason": "wrong"})
    assert (answer.status, answer.json["code"]) == (404, "unknown_version")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "a\0b"}, {"reason": "x" * 1001}])
def test_revoke__without_a_reason__is_400(bench: ControlBench, body: object) -> None:
    assert bench.post(MANIFESTS + "/0/revoke", body).status == 400


def test_revoke__again__says_that_nothing_changed(bench: ControlBench) -> None:
    revoke(bench, 0)
    assert revoke(bench, 0, "another") == {
        "version": 0,
        "changed": False,
        "published": None,
        "isSameContent": False,
    }


def test_revoke__answered__is_served_by_this_worker_at_once(bench: ControlBench) -> None:
    revoke(bench, 0)
    revocations = bench.get("/.well-known/revocations/default").json
    assert revocations["revoked"] == {"default": [0]}
    signed = bench.get("/v1/default/manifest.json").body
    keys = bench.get("/.well-known/jwks/default").json
    assert verify_manifest(signed, keys).version == 1


def test_revoke__repeated_with_its_key__is_answered_the_same(bench: ControlBench) -> None:
    path = MANIFESTS + "/0/revoke"
    first, second = (
        bench.post(path, {"reason": "wrong"}, Idempotency_Key="once") for _ in range(2)
    )
    assert first.body == second.body
    assert len(bench.get(MANIFESTS).json["items"]) == 2


def test_publish__nothing_to_publish__says_so(bench: ControlBench) -> None:
    answer = bench.post(MANIFESTS, {"note": "again"})
    assert (answer.status, answer.json) == (200, {"version": 0, "published": False})
    assert len(bench.get(MANIFESTS).json["items"]) == 1


def test_publish__project_that_never_was__gets_its_first_version(bench: ControlBench) -> None:
    staging = MANIFESTS.replace("projects/default", "projects/staging")
    answer = bench.post(staging, {"note": "first"})
    assert (answer.status, answer.json) == (201, {"version": 0, "published": True})
    (only,) = bench.get(staging).json["items"]
    assert only["note"] == "first"


def test_static_manifest__three_documents__verify_together(bench: ControlBench) -> None:
    revoke(bench, 0)
    found = bench.get(PROJECT + "/static-manifest").json
    assert found["version"] == 1
    manifest = verify_manifest(json.dumps(found["manifest"]).encode(), found["jwks"])
    assert manifest.version == 1
    assert found["revocations"] == {"revoked": {"default": [0]}, "previews": []}


def test_static_manifest__nothing_published__is_404(bench: ControlBench) -> None:
    path = PROJECT.replace("projects/default", "projects/staging") + "/static-manifest"
    assert bench.get(path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", MANIFESTS, "rival", 404),
        ("GET", MANIFESTS, "staging", 404),
        ("GET", MANIFESTS, "reader", 200),
        ("POST", MANIFESTS, "reader", 403),
        ("POST", MANIFESTS + "/0/revoke", "reader", 403),
        ("POST", MANIFESTS + "/0/revoke", "staging", 404),
        ("POST", MANIFESTS + "/0/revoke", "rival", 404),
        ("GET", PROJECT + "/static-manifest", "rival", 404),
    ],
)
def test_routes__of_others__are_refused(
    bench: ControlBench, method: str, path: str, key: str, status: int
) -> None:
    body = {"reason": "wrong"} if path.endswith("revoke") else None
    assert bench.call(method, path, body, key).status == status
    assert len(bench.get(MANIFESTS).json["items"]) == 1


def test_diff__where_the_version_before_was_lost__is_against_the_one_before_that(
    bench: ControlBench,
) -> None:
    revoke(bench, 0)
    bench.post("/api/v1/orgs/default/signing-keys/rotate", {"force": True})
    with bench.store.writing() as connection:
        connection.execute(delete(manifests).where(manifests.c.version == 1))
    found = bench.get(MANIFESTS + "/2/diff").json
    assert (found["from"], found["to"]) == (0, 2)
