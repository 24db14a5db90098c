from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control import ControlBench, control_bench

PROJECTS = "/api/v1/orgs/default/projects"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def test_projects__created__is_served_at_once(bench: ControlBench) -> None:
    answer = bench.post(PROJECTS, {"key": "shop", "tier": "free", "reviewRequired": True})
    assert answer.status == 201
    document = answer.json
    assert document.pop("token").startswith("exp_")
    assert document == {
        "key": "shop",
        "private": False,
        "reviewRequired": True,
        "honoursGpc": True,
        "timeZone": "UTC",
        "tier": "free",
        "createdAt": "2023-11-14T22:13:20.000Z",
    }
    assert bench.get(f"{PROJECTS}/shop").json == document
    assert bench.client.get("/v1/default/shop/manifest.json").status == 200


def test_projects__listed__are_those_that_the_key_reaches(bench: ControlBench) -> None:
    keys = {
        name: [item["key"] for item in bench.get(PROJECTS, name).json["items"]]
        for name in ("admin", "reader", "staging")
    }
    assert keys == {
        "admin": ["default", "staging"],
        "reader": ["default", "staging"],
        "staging": ["staging"],
    }


def test_projects__update__changes_what_is_named(bench: ControlBench) -> None:
    path = f"{PROJECTS}/default"
    assert bench.call("PATCH", path, {"private": True, "tier": "free"}).status == 200
    assert bench.client.get("/v1/default/manifest.json").status == 404
    assert bench.call("PATCH", path, {"honoursGpc": False}).json["honoursGpc"] is False
    berlin = {"timeZone": "Europe/Berlin"}
    assert bench.call("PATCH", path, berlin).json["timeZone"] == "Europe/Berlin"
    refused = bench.call("PATCH", path, {"timeZone": "Europe/Berln"})
    assert (refused.status, refused.json["code"]) == (400, "unknown_time_zone")
    assert "did you mean Europe/Berlin?" in refused.json["detail"]
    answer = bench.call("PATCH", path, {"tier": None})
    assert (answer.json["private"], answer.json["tier"]) == (True, None)
    assert answer.json["honoursGpc"] is False
    assert not bench.services.decisions.snapshot.tenants["default", "default"].honours_gpc
    assert not bench.services.decisions.snapshot.projects["default", "default"].honours_gpc


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"key": "default"}, 409, "exists already"),
        ({"key": "Shop"}, 400, "key: "),
        ({"key": "a.json"}, 400, "key: "),
        ({}, 400, "key"),
        ({"key": "shop", "tier": "gold"}, 400, "gold"),
        ({"key": "shop", "public": True}, 400, "public: "),
    ],
)
def test_projects__body_that_does_not_fit__is_told(
    bench: ControlBench, body: Any, status: int, told: str
) -> None:
    answer = bench.post(PROJECTS, body)
    assert answer.status == status
    assert told in answer.json["detail"]


def test_projects__limited_key__makes_none_and_sees_no_other(bench: ControlBench) -> None:
    assert bench.post(PROJECTS, {"key": "shop"}, "staging").status == 403
    assert bench.get(f"{PROJECTS}/default", "staging").status == 404
    assert bench.call("PATCH", f"{PROJECTS}/default", {}, "staging").status == 404
    assert bench.call("PATCH", f"{PROJECTS}/staging", {"private": True}, "staging").status == 200
