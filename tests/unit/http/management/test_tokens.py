from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control import ControlBench, control_bench
from support.serving import NOW_MS

TOKENS = "/api/v1/orgs/default/projects/default/tokens"
STAGING = "/api/v1/orgs/default/projects/staging/tokens"
LATER = "2023-11-15T00:00:00Z"  # two hours after NOW_MS
LATER_MS = 1_700_006_400_000


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def assigned(bench: ControlBench, token: str) -> int:
    """404 is a token that is known: there is no experiment."""
    body = {"token": token, "visitor_id": "v1"}
    return bench.client.post("/api/v1/experiments/assignments/hero", body).status


def made(bench: ControlBench, **fields: Any) -> Any:
    answer = bench.post(TOKENS, fields)
    assert answer.status == 201, answer.body
    return answer.json


def test_tokens__created__work_beside_the_old_until_revoked(bench: ControlBench) -> None:
    (old,) = bench.get(TOKENS).json["items"]
    bench.clock.now_ms = NOW_MS + 1
    new = made(bench)
    assert [item["token"] for item in bench.get(TOKENS).json["items"]] == [
        old["token"],
        new["token"],
    ]
    assert (assigned(bench, old["token"]), assigned(bench, new["token"])) == (404, 404)
    revoked = bench.post(f"{TOKENS}/{old['id']}/revoke").json
    assert (revoked["revoked"], revoked["liveTokens"]) == (True, 1)
    assert (assigned(bench, old["token"]), assigned(bench, new["token"])) == (401, 404)


def test_tokens__last_one_revoked__is_told(bench: ControlBench) -> None:
    (only,) = bench.get(TOKENS).json["items"]
    assert bench.post(f"{TOKENS}/{only['id']}/revoke").json["liveTokens"] == 0
    assert assigned(bench, only["token"]) == 401


def test_tokens__expiry__is_checked_between_polls(bench: ControlBench) -> None:
    token = made(bench, expiresAt=LATER)["token"]
    bench.clock.now_ms = LATER_MS - 1
    assert assigned(bench, token) == 404
    bench.clock.now_ms = LATER_MS
    assert assigned(bench, token) == 401


def test_tokens__expired_at_a_private_manifest__is_not_found(bench: ControlBench) -> None:
    bench.call("PATCH", "/api/v1/orgs/default/projects/default", {"private": True})
    token = made(bench, expiresAt=LATER)["token"]
    statuses = []
    for bench.clock.now_ms in (LATER_MS - 1, LATER_MS):
        answer = bench.client.get("/v1/default/manifest.json", Authorization=f"Bearer {token}")
        statuses.append(answer.status)
    assert statuses == [200, 404]


def test_tokens__expire__moves_the_end(bench: ControlBench) -> None:
    (only,) = bench.get(TOKENS).json["items"]
    answer = bench.post(f"{TOKENS}/{only['id']}/expire", {"expiresAt": LATER})
    assert answer.json["expiresAt"] == "2023-11-15T00:00:00.000Z"
    bench.clock.now_ms = LATER_MS
    again = bench.post(f"{TOKENS}/{only['id']}/expire", {"expiresAt": "2030-01-01T00:00:00Z"})
    assert (again.status, again.json["code"]) == (409, "has_ended")


def test_tokens__use__is_noted_and_shown(bench: ControlBench) -> None:
    (only,) = bench.get(TOKENS).json["items"]
    assert only["lastUsedAt"] is None
    assigned(bench, only["token"])
    bench.services.uses.stamp(NOW_MS)
    bench.services.uses.store(bench.store, NOW_MS)
    assert bench.get(TOKENS).json["items"][0]["lastUsedAt"] == "2023-11-14T22:13:20.000Z"


def test_tokens__key_of_one_project__manages_its_own_only(bench: ControlBench) -> None:
    assert bench.post(STAGING, {}, "staging").status == 201
    foreign = bench.post(TOKENS, {}, "staging")
    absent = bench.post(TOKENS.replace("projects/default", "projects/nope"), {}, "staging")
    assert (foreign.status, absent.status) == (404, 404)
    assert (
        foreign.json["detail"].replace("default/default", "default/nope") == (absent.json["detail"])
    )


def test_tokens__id_of_another_project__is_404(bench: ControlBench) -> None:
    made_there = bench.post(STAGING, {}).json
    answer = bench.post(f"{TOKENS}/{made_there['id']}/revoke")
    assert (answer.status, answer.json["code"]) == (404, "unknown_token")


def test_tokens__of_a_source__are_made_shown_and_counted_apart(bench: ControlBench) -> None:
    made_one = made(bench, kind="source", allowedOrigins=["https://shop.example"])
    assert (made_one["kind"], made_one["allowedOrigins"]) == ("source", ["https://shop.example"])
    assert [item["kind"] for item in bench.get(TOKENS).json["items"]].count("source") == 1
    assert assigned(bench, made_one["token"]) == 401
    revoked = bench.post(f"{TOKENS}/{made_one['id']}/revoke").json
    assert (revoked["revoked"], revoked["liveTokens"]) == (True, 0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "source", "allowedOrigins": ["*"]}, "invalid_origins"),
        ({"allowedOrigins": ["https://shop.example"]}, "invalid_origins"),
        ({"kind": "browser"}, "invalid_fields"),
    ],
)
def test_tokens__what_cannot_be_made__is_refused(
    bench: ControlBench, fields: dict[str, Any], code: str
) -> None:
    answer = bench.post(TOKENS, fields)
    assert (answer.status, answer.json["code"]) == (400, code)
