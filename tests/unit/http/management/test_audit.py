"""The audit log over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from support.audit_tampering import drop_triggers
from support.control import ControlBench, control_bench

AUDIT = "/api/v1/orgs/default/audit"
MANIFESTS = "/api/v1/orgs/default/projects/{project}/manifests"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        assert bench.post(MANIFESTS.format(project="staging")).status == 201
        for project in ("default", "staging"):
            bench.post(MANIFESTS.format(project=project) + "/0/revoke", {"reason": "test"})
        yield bench


def items(bench: ControlBench, query: str = "", key: str = "admin") -> list[dict[str, Any]]:
    answer = bench.get(f"{AUDIT}?limit=200{query}", key)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def test_audit__list__is_newest_first_and_says_who_did_what(bench: ControlBench) -> None:
    found = items(bench)
    seqs = [item["seq"] for item in found]
    assert seqs == list(range(len(found), 0, -1))
    revoked = next(item for item in found if item["action"] == "manifest.revoke")
    assert revoked["actor"] == "key:" + bench.keys["admin"][7:15]
    assert (revoked["project"], revoked["target"]) == ("staging", "manifest:0")
    assert revoked["details"] == {"reason": "test"}
    assert found[-1]["action"] == "organization.create"
    assert items(bench, "&order=oldest") == found[::-1]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_audit__page_by_page__gives_each_once(bench: ControlBench, order: str) -> None:
    everything, found, cursor = items(bench, f"&order={order}"), [], ""
    while cursor is not None:
        query = f"?limit=3&order={order}" + (f"&cursor={cursor}" if cursor else "")
        page = bench.get(AUDIT + query).json
        found += page["items"]
        cursor = page["next"]
    assert found == everything


def test_audit__filters__all_have_to_hold(bench: ControlBench) -> None:
    of_default = items(bench, "&project=default")
    assert {item["project"] for item in of_default} == {"default"}
    both = items(bench, "&project=default&action=manifest.revoke&target=manifest:0")
    assert [item["action"] for item in both] == ["manifest.revoke"]
    assert items(bench, "&actor=nobody") == []


@pytest.mark.parametrize("query", ["?order=random", "?limit=0", "?cursor=x", "?target=%00", "?a=1"])
def test_audit__query_that_does_not_fit__is_400(bench: ControlBench, query: str) -> None:
    assert bench.get(AUDIT + query).status == 400


def test_audit__key_of_a_project__sees_only_what_was_done_there(bench: ControlBench) -> None:
    found = items(bench, key="staging")
    assert {item["project"] for item in found} == {"staging"}
    assert items(bench, "&project=default", key="staging") == []
    assert items(bench, "&project=staging", key="staging") == found


def test_audit__key_of_another_organization__learns_nothing(bench: ControlBench) -> None:
    assert bench.get(AUDIT, "rival").status == 404
    assert bench.get(AUDIT + "/verify", "rival").status == 404


def test_audit__key_without_the_scope__is_403(bench: ControlBench) -> None:
    assert bench.get(AUDIT, "reader").status == 403
    assert bench.get(AUDIT + "/verify", "reader").status == 403
    assert bench.get(AUDIT + "/verify", "staging").status == 403


def test_verify__untouched__is_intact_to_the_last_record(bench: ControlBench) -> None:
    last = items(bench)[0]
    assert bench.get(AUDIT + "/verify").json == {
        "intact": True,
        "end": {"seq": last["seq"], "hash": last["hash"]},
        "beginsWith": "organization.create",
        "broken": None,
    }


def test_verify__a_record_changed__names_it(bench: ControlBench) -> None:
    with bench.store.writing() as connection:
        drop_triggers(connection)
        connection.execute(text("UPDATE audit_records SET actor = 'x' WHERE seq = 3"))
    found = bench.get(AUDIT + "/verify").json
    assert (found["intact"], found["end"]["seq"]) == (False, 2)
    assert found["broken"] == {
        "seq": 3,
        "fault": "altered",
        "text": "its content does not have its hash: it was changed",
    }


def test_verify__against_a_note__tells_whether_the_record_is_the_same(bench: ControlBench) -> None:
    third = items(bench, "&order=oldest")[2]
    noted = f"{AUDIT}/verify?noted=3:"
    assert bench.get(noted + third["hash"]).json["intact"]
    assert bench.get(noted + "0" * 64).json["broken"]["fault"] == "not_as_noted"
    assert bench.get(noted + "x").status == 400
