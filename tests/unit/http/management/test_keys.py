"""The API keys over HTTP; what their routes share with all others is in test_frame.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control import ControlBench, control_bench
from support.serving import NOW_MS

KEYS = "/api/v1/orgs/default/keys"
LATER = "2023-11-15T00:00:00Z"  # two hours after NOW_MS


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def created(bench: ControlBench, **fields: Any) -> Any:
    answer = bench.post(KEYS, {"scopes": ["read", "admin"], **fields})
    assert answer.status == 201, answer.body
    return answer.json


def listed(bench: ControlBench, key_id: str) -> Any:
    (own,) = [item for item in bench.get(KEYS).json["items"] if item["id"] == key_id]
    return own


def test_create_key__answer__holds_the_key_and_the_list_does_not(bench: ControlBench) -> None:
    made = created(bench, name="ci", projects=["staging"], expiresAt=LATER)
    assert made["key"].startswith(f"fx_key_{made['id']}.")
    own = listed(bench, made["id"])
    assert own == {name: value for name, value in made.items() if name != "key"}
    assert own["createdBy"] == "key:" + bench.keys["admin"][7:15]
    assert (own["name"], own["projects"], own["scopes"]) == ("ci", ["staging"], ["admin", "read"])
    assert (own["expiresAt"], own["revoked"]) == ("2023-11-15T00:00:00.000Z", False)


def test_create_key__answered__works_at_once(bench: ControlBench) -> None:
    bench.keys["new"] = created(bench)["key"]
    assert bench.get(KEYS, "new").status == 200


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 400, "scopes"),
        ({"scopes": []}, 400, "scopes"),
        ({"scopes": ["everything"]}, 400, "everything"),
        (
            {"scopes": ["read"], "scope": "x"},
            400,
            'scope: "x": not a field here; did you mean scopes?',
        ),
        ({"scopes": ["read"], "name": ""}, 400, "name"),
        ({"scopes": ["read"], "projects": []}, 400, "projects"),
        ({"scopes": ["read"], "projects": ["nope"]}, 404, "default/nope"),
        ({"scopes": ["read"], "expiresAt": "2023-11-14T00:00:00Z"}, 400, "is not after"),
        ({"scopes": ["read"], "expiresAt": "2023-11-14T00:00:00"}, 400, "expiresAt"),
        ({"scopes": ["read"], "expiresAt": "9999-12-31T23:59:59-23:59"}, 400, "1970 to 9999"),
        ({"scopes": ["read"], "expiresAt": "0001-01-01T00:00:00+23:59"}, 400, "1970 to 9999"),
        (b"{", 400, "not valid JSON"),
    ],
)
def test_create_key__body_that_does_not_fit__is_told(
    bench: ControlBench, body: Any, status: int, told: str
) -> None:
    answer = bench.post(KEYS, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert told in answer.json["detail"]


def test_create_key__scope_that_the_caller_lacks__is_403(bench: ControlBench) -> None:
    bench.keys["new"] = created(bench)["key"]
    answer = bench.post(KEYS, {"scopes": ["write"]}, "new")
    assert (answer.status, answer.json["code"]) == (403, "scopes_not_held")


def test_revoke_key__answered__ends_it_at_once(bench: ControlBench) -> None:
    made = created(bench)
    bench.keys["new"] = made["key"]
    answer = bench.post(f"{KEYS}/{made['id']}/revoke")
    assert (answer.status, answer.json["revoked"]) == (200, True)
    assert bench.get(KEYS, "new").status == 401
    assert bench.post(f"{KEYS}/{made['id']}/revoke").json == answer.json


def test_expire_key__ends_it_then(bench: ControlBench) -> None:
    made = created(bench)
    bench.keys["new"] = made["key"]
    answer = bench.post(f"{KEYS}/{made['id']}/expire", {"expiresAt": LATER})
    assert answer.json["expiresAt"] == "2023-11-15T00:00:00.000Z"
    assert bench.get(KEYS, "new").status == 200
    bench.clock.now_ms = NOW_MS + 24 * 3_600_000
    assert bench.get(KEYS, "new").status == 401
    again = bench.post(f"{KEYS}/{made['id']}/expire", {"expiresAt": "2030-01-01T00:00:00Z"})
    assert (again.status, again.json["code"]) == (409, "has_ended")


@pytest.mark.parametrize("action", ["revoke", "expire"])
def test_keys__id_of_another_organization__is_404(bench: ControlBench, action: str) -> None:
    foreign = bench.keys["rival"][7:15]
    answer = bench.post(f"{KEYS}/{foreign}/{action}", {"expiresAt": LATER})
    assert (answer.status, answer.json["code"]) == (404, "unknown_key")
    assert bench.get("/api/v1/orgs/rival/keys", "rival").json["items"][0]["revoked"] is False
