from collections.abc import Iterator
from pathlib import Path

import pytest

from support.serving import (
    KEY_SECRET,
    OTHER_TOKEN,
    TOKEN,
    Desk,
    a_desk,
    a_project,
    a_snapshot,
    an_api_key,
    an_experiment,
)

PUBLIC = "public, max-age=30, stale-while-revalidate=60, stale-if-error=86400"
KEYS = {
    "reader00": an_api_key("read"),
    "writer00": an_api_key("write"),
    "foreign0": an_api_key("read", org="other"),
}
SNAPSHOT = a_snapshot(
    a_project(an_experiment()),
    a_project(an_experiment(), project="hidden", private=True),
    api_keys=KEYS,
)
DOCUMENTS = [
    ("/v1/default/manifest.json", "application/jose+json"),
    ("/v1/default/default/manifest.json", "application/jose+json"),
    ("/.well-known/jwks/default", "application/jwk-set+json"),
    ("/.well-known/revocations/default", "application/json"),
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, SNAPSHOT) as desk:
        yield desk


@pytest.mark.parametrize(("path", "media"), DOCUMENTS)
def test_document__public__is_cacheable_and_revalidates(desk: Desk, path: str, media: str) -> None:
    first = desk.client.get(path)
    assert (first.status, first.headers["content-type"]) == (200, media)
    assert first.headers["cache-control"] == PUBLIC
    tag = first.headers["etag"]
    assert tag.startswith('"') and tag.endswith('"')
    for condition in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = desk.client.get(path, If_None_Match=condition)
        assert (again.status, again.body) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, PUBLIC)
        assert "content-length" not in again.headers
    assert desk.client.get(path, If_None_Match='"x"').status == 200


@pytest.mark.parametrize(("path", "media"), DOCUMENTS)
def test_document__head__has_the_headers_and_no_body(desk: Desk, path: str, media: str) -> None:
    full, head = desk.client.get(path), desk.client.request("HEAD", path)
    assert (head.status, head.headers, head.body) == (200, full.headers, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nobody/manifest.json",
        "/v1/default/nothing/manifest.json",
        "/v1//manifest.json",
        "/v1/default%2Fdefault/manifest.json",
        "/v1/default/default/default/manifest.json",
        "/.well-known/jwks/nobody",
        "/.well-known/jwks/",
        "/.well-known/revocations/%00",
        "/v1/%ff/manifest.json",
    ],
)
def test_document__unknown__is_a_404_problem(desk: Desk, path: str) -> None:
    answer = desk.client.get(path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "not_found"
    assert answer.json.keys() == {"type", "title", "status", "detail", "code"}


def test_private_manifest__without_credential__looks_like_none(desk: Desk) -> None:
    hidden = desk.client.get("/v1/default/hidden/manifest.json")
    missing = desk.client.get("/v1/default/missing/manifest.json")
    assert (hidden.status, hidden.headers, hidden.body) == (404, missing.headers, missing.body)


@pytest.mark.parametrize(
    ("credential", "status"),
    [
        (OTHER_TOKEN, 200),
        (f"fx_key_reader00.{KEY_SECRET}", 200),
        (TOKEN, 404),
        (f"fx_key_writer00.{KEY_SECRET}", 404),
        (f"fx_key_foreign0.{KEY_SECRET}", 404),
        ("rubbish", 404),
    ],
)
def test_private_manifest__bearer__is_told_apart(desk: Desk, credential: str, status: int) -> None:
    path = "/v1/default/hidden/manifest.json"
    answer = desk.client.get(path, Authorization=f"Bearer {credential}")
    assert answer.status == status
    if status == 200:
        assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(("path", "media"), DOCUMENTS)
def test_document__other_method__is_a_405_problem(desk: Desk, path: str, media: str) -> None:
    answer = desk.client.post(path, {})
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.headers["content-type"] == "application/problem+json"


def test_manifest__new_snapshot__is_served_with_its_own_tag(desk: Desk) -> None:
    project = a_project(an_experiment(), signed=b"new", etag='"v4"')
    desk.publish(a_snapshot(project, generation=2))
    answer = desk.client.get("/v1/default/manifest.json", If_None_Match='"v3"')
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"new", '"v4"')
