"""Experiments over HTTP: their documents, revisions and lifecycle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.service.lifecycle import Action
from support.applying import require_review
from support.asgi import Response
from support.control import ControlBench, control_bench
from support.credentials import create_key

ROOT = "/api/v1/orgs/default/projects/default"
EXPERIMENTS = f"{ROOT}/experiments"
HERO = f"{EXPERIMENTS}/hero"


def yaml(*lines: str, key: str = "hero") -> bytes:
    variants = "variants: [{key: a, name: A}, {key: b, name: B}]"
    return "\n".join((f"key: {key}", "name: Hero", *lines, variants, "")).encode()


DRAFT = yaml("status: draft")


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def put(bench: ControlBench, body: bytes = DRAFT, key: str = "hero", **headers: str) -> Response:
    return bench.call("PUT", f"{EXPERIMENTS}/{key}", body, **headers)


def do(bench: ControlBench, action: str, body: Any = None, **fields: Any) -> Response:
    return bench.call("POST", f"{HERO}/actions/{action}", body, **fields)


def test_put_experiment__new__is_made_and_shown(bench: ControlBench) -> None:
    written = yaml("status: draft", "owner: anna", "hypothesis: blue sells")
    answer = put(bench, written)
    assert (answer.status, answer.headers["etag"]) == (201, '"1"')
    shown = bench.get(HERO)
    assert (shown.json, shown.headers["etag"]) == (answer.json, '"1"')
    document = answer.json
    assert (document["key"], document["status"], document["owner"]) == ("hero", "draft", "anna")
    assert document["source"].encode() == written
    assert [variant["key"] for variant in document["experiment"]["variants"]] == ["a", "b"]
    assert document["author"] == "key:" + bench.keys["admin"][7:15]


def test_put_experiment__as_json__is_read_the_same(bench: ControlBench) -> None:
    body = (
        b'{"key": "hero", "name": "Hero", "status": "draft",'
        b' "variants": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]}'
    )
    assert put(bench, body).status == 201
    assert bench.get(HERO).json["source"].encode() == body


def test_put_experiment__two_people_at_once__the_second_sees_the_newer_version(
    bench: ControlBench,
) -> None:
    put(bench)
    both_saw = {"If_Match": bench.get(HERO).headers["etag"]}
    assert put(bench, yaml("status: draft", "priority: 1"), **both_saw).status == 200
    second = put(bench, yaml("status: draft", "priority: 2"), **both_saw)
    assert (second.status, second.headers["etag"], second.json["code"]) == (412, '"2"', "stale")
    assert second.json["current"] == bench.get(HERO).json
    assert second.json["current"]["experiment"]["priority"] == 1
    assert put(bench, yaml("priority: 2"), If_Match='"2"').status == 200


def test_put_experiment__of_what_is_there_without_if_match__is_428(bench: ControlBench) -> None:
    put(bench)
    answer = put(bench, yaml("status: draft", "priority: 1"))
    assert (answer.status, answer.json["code"]) == (428, "precondition_required")
    assert put(bench, If_None_Match="*").status == 412


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (yaml("sampelRate: 0.5"), "did you mean sampleRate"),
        (
            yaml(key="other"),
            "experiment other: send one document, of the experiment hero; a key cannot change",
        ),
        (b"key: hero\tname: x", "not valid YAML"),
        (b"kind: layer\nkey: hero\n", "send one document, of the experiment hero"),
        (b"", "send one document"),
        (yaml("audience: {segments: [nobody]}"), "no such segment"),
    ],
)
def test_put_experiment__that_cannot_be__is_a_422_with_every_problem(
    bench: ControlBench, body: bytes, told: str
) -> None:
    answer = put(bench, body)
    assert (answer.status, answer.json["code"]) == (422, "apply_refused")
    assert told in answer.json["detail"]
    assert set(answer.json["problems"][0]) == {"file", "line", "path", "value", "message"}
    assert bench.get(HERO).status == 404


def test_put_experiment__not_utf_8__is_400(bench: ControlBench) -> None:
    assert put(bench, b"key: \xff").status == 400


def test_delete_experiment__draft__is_gone_for_good(bench: ControlBench) -> None:
    put(bench)
    assert bench.call("DELETE", HERO).status == 428
    assert bench.call("DELETE", HERO, If_Match='"1"').status == 204
    assert bench.get(HERO).status == 404
    assert bench.call("DELETE", HERO, If_Match='"2"').status == 412
    answer = put(bench)
    assert (answer.status, "never used again" in answer.json["detail"]) == (422, True)


def test_delete_experiment__that_runs__is_409(bench: ControlBench) -> None:
    put(bench, yaml())
    answer = bench.call("DELETE", HERO, If_Match='"1"')
    assert (answer.status, answer.json["code"]) == (409, "not_deletable")
    assert "complete it or kill it first" in answer.json["detail"]


def test_actions__through_the_whole_life__change_the_state(bench: ControlBench) -> None:
    put(bench)
    require_review(bench.store)
    bench.keys["approver"] = create_key(bench.store, scopes=["approve", "read"]).text
    assert do(bench, "start").status == 409
    assert do(bench, "submit").json["experiment"]["status"] == "review"
    approved = do(bench, "approve", key="approver")
    assert (approved.status, approved.json["experiment"]["status"]) == (200, "approved")
    started = do(bench, "start")
    assert (started.json["experiment"]["status"], started.json["version"]) == ("running", 1)
    assert started.headers["etag"] == '"4"'
    assert do(bench, "pause").json["experiment"]["status"] == "paused"
    assert do(bench, "resume").json["experiment"]["status"] == "running"
    assert do(bench, "complete").json["experiment"]["status"] == "completed"
    rolled_out = do(bench, "rollout", {"variant": "b"}).json["experiment"]
    assert (rolled_out["status"], rolled_out["experiment"]["rollout"]) == ("completed", "b")
    assert "rollout" not in do(bench, "rollout", {"variant": None}).json["experiment"]["experiment"]


def test_kill__with_a_reason__is_shown_with_it(bench: ControlBench) -> None:
    put(bench, yaml())
    killed = do(bench, "kill", {"reason": "checkout is broken"}).json["experiment"]
    assert (killed["status"], killed["statusReason"]) == ("killed", "checkout is broken")
    again = do(bench, "kill", {"reason": "again"})
    assert (again.status, again.json["state"]) == (409, "killed")


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, {"reason": None}])
def test_kill__without_a_reason__is_400(bench: ControlBench, body: Any) -> None:
    put(bench, yaml())
    assert do(bench, "kill", body).status == 400
    assert bench.get(HERO).json["status"] == "running"


def test_kill__of_blanks__is_400(bench: ControlBench) -> None:
    put(bench, yaml())
    answer = do(bench, "kill", {"reason": "  "})
    assert (answer.status, answer.json["code"]) == (400, "reason_missing")


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("approve", "it is a draft that nobody has submitted: submit it first"),
        ("pause", "it has not started: start it first"),
        ("resume", "it has not started: start it first"),
        ("complete", "it has not started: start it first"),
    ],
)
def test_action__that_the_state_does_not_allow__is_409_with_the_reason(
    bench: ControlBench, action: str, told: str
) -> None:
    put(bench)
    answer = do(bench, action)
    assert (answer.status, answer.json["code"], answer.json["state"]) == (
        409,
        "action_refused",
        "draft",
    )
    assert told in answer.json["detail"]


def test_approve__by_the_author__is_409(bench: ControlBench) -> None:
    put(bench)
    do(bench, "submit")
    answer = do(bench, "approve")
    assert (answer.status, "is among its authors" in answer.json["detail"]) == (409, True)


def test_action__with_an_etag_of_before__is_412(bench: ControlBench) -> None:
    put(bench)
    do(bench, "start")
    answer = do(bench, "pause", If_Match='"1"')
    assert (answer.status, answer.json["current"]["status"]) == (412, "running")
    assert do(bench, "pause", If_Match='"2"').status == 200


@pytest.mark.parametrize("action", list(Action))
def test_action__by_a_key_without_its_scope__is_403(bench: ControlBench, action: Action) -> None:
    scope = "write" if action in ("approve", "reject") else "approve"
    bench.keys["other"] = create_key(bench.store, scopes=["read", scope]).text
    put(bench)
    body = {"reason": "x", "variant": "a"} if action == "rollout" else {"reason": "x"}
    assert do(bench, action, body, key="other").status == 403


def test_action__repeated_with_its_idempotency_key__is_done_once(bench: ControlBench) -> None:
    put(bench)
    first, second = (do(bench, "start", Idempotency_Key="one") for _ in range(2))
    assert (first.status, second.status, second.body) == (200, 200, first.body)
    assert second.headers["idempotency-replayed"] == "true"
    assert bench.get(HERO).json["revision"] == 2


@pytest.mark.parametrize("key", ["nowhere", "%00", "Hero", "..", "a" * 500])
def test_experiment__that_is_not_there__is_404(bench: ControlBench, key: str) -> None:
    put(bench)
    path = f"{EXPERIMENTS}/{key}"
    calls = [
        bench.get(path),
        bench.get(f"{path}/revisions"),
        bench.get(f"{path}/revisions/1"),
        bench.get(f"{path}/revisions/1/diff"),
        bench.post(f"{path}/actions/start"),
        bench.post(f"{path}/revert", {"revision": 1}),
    ]
    assert [answer.status for answer in calls] == [404] * 6


def test_experiment__with_a_misspelt_key__names_the_nearest_that_is_there(
    bench: ControlBench,
) -> None:
    put(bench)
    put(bench, yaml("status: draft", key="heros"), "heros")
    path = f"{EXPERIMENTS}/herso"
    bench.call("DELETE", f"{EXPERIMENTS}/heros", If_Match='"1"')
    for answer in (
        bench.get(path),
        bench.get(f"{path}/revisions"),
        bench.post(f"{path}/actions/kill", {"reason": "broken"}),
        bench.post(f"{path}/revert", {"revision": 1}),
    ):
        assert answer.json["detail"] == "herso: there is no such experiment; did you mean hero?"


def test_definition__with_a_misspelt_key__names_the_nearest_of_its_kind(
    bench: ControlBench,
) -> None:
    layer = b"kind: layer\nkey: checkout\nname: Checkout\n"
    assert bench.call("PUT", f"{ROOT}/layers/checkout", layer).status == 201
    told = "chekout: there is no such layer; did you mean checkout?"
    assert bench.get(f"{ROOT}/layers/chekout").json["detail"] == told
    told = "chekout: there is no such segment; check the spelling"
    assert bench.get(f"{ROOT}/segments/chekout").json["detail"] == told


def test_list_experiments__filtered__are_those_that_fit(bench: ControlBench) -> None:
    put(bench, yaml("owner: Anna", key="one"), "one")
    put(bench, yaml("status: draft", "tags: [Checkout]", key="two"), "two")
    put(bench, yaml("status: draft", key="three"), "three")

    def keys(query: str = "") -> list[str]:
        return [item["key"] for item in bench.get(f"{EXPERIMENTS}{query}").json["items"]]

    assert keys() == ["one", "three", "two"]
    assert keys("?status=draft") == ["three", "two"]
    assert keys("?search=ANNA") == ["one"]
    assert keys("?search=checkout") == ["two"]
    assert keys("?search=her&status=running") == ["one"]
    assert keys("?search=nothing") == []
    assert bench.get(f"{EXPERIMENTS}?status=gone").status == 400
    page = bench.get(f"{EXPERIMENTS}?limit=2").json
    rest = bench.get(f"{EXPERIMENTS}?limit=2&cursor={page['next']}").json
    assert [item["key"] for item in (*page["items"], *rest["items"])] == ["one", "three", "two"]
    assert "source" not in page["items"][0]


def test_revisions__of_changes__are_listed_shown_and_compared(bench: ControlBench) -> None:
    put(bench)
    path = f"{HERO}?reason=warmer"
    bench.call("PUT", path, yaml("status: draft", "sampleRate: 0.5"), If_Match='"1"')
    do(bench, "start")
    listed = bench.get(f"{HERO}/revisions").json["items"]
    told = ("number", "action", "status", "reason")
    assert [tuple(each[name] for name in told) for each in listed] == [
        (3, "start", "running", None),
        (2, "update", "draft", "warmer"),
        (1, "create", "draft", None),
    ]
    page = bench.get(f"{HERO}/revisions?limit=2").json
    assert [each["number"] for each in page["items"]] == [3, 2]
    rest = bench.get(f"{HERO}/revisions?limit=2&cursor={page['next']}").json
    assert ([each["number"] for each in rest["items"]], rest["next"]) == ([1], None)
    shown = bench.get(f"{HERO}/revisions/1").json
    assert (shown["source"].encode(), shown["kind"], shown["key"]) == (DRAFT, "experiment", "hero")
    diff = bench.get(f"{HERO}/revisions/2/diff").json
    assert diff["fields"] == [{"path": "audience.sampleRate", "after": 0.5}]
    assert "+sampleRate: 0.5\n" in diff["source"]
    both = bench.get(f"{HERO}/revisions/3/diff?against=1").json["fields"]
    assert both[1] == {"path": "status", "before": "draft", "after": "running"}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("hero/revisions/9", "hero 9: there is no such revision; list its revisions"),
        ("hero/revisions/0", "hero 0: there is no such revision; list its revisions"),
        ("hero/revisions/x", "hero x: there is no such revision; list its revisions"),
        ("hero/revisions/9/diff", "hero 9: there is no such revision; list its revisions"),
        (
            "hero/revisions/1/diff?against=7",
            "hero 7: there is no such revision; list its revisions",
        ),
        (
            "hero/revisions/1/diff",
            "hero 1: there is no such earlier revision; name another to compare it with",
        ),
        ("heroo/revisions/1/diff", "heroo: there is no such experiment; did you mean hero?"),
    ],
)
def test_revision__that_is_not_there__is_the_one_that_was_asked_for(
    bench: ControlBench, path: str, told: str
) -> None:
    put(bench)
    answer = bench.get(f"{EXPERIMENTS}/{path}")
    assert (answer.status, answer.json["detail"]) == (404, told)


def test_revert__to_the_first_revision__writes_its_text_again(bench: ControlBench) -> None:
    put(bench)
    put(bench, yaml("status: draft", "priority: 1"), If_Match='"1"')
    assert bench.post(f"{HERO}/revert", {"revision": 1}, If_Match='"1"').status == 412
    answer = bench.post(f"{HERO}/revert", {"revision": 1, "reason": "too warm"})
    assert (answer.status, answer.headers["etag"]) == (200, '"3"')
    assert answer.json["source"].encode() == DRAFT
    newest = bench.get(f"{HERO}/revisions").json["items"][0]
    assert (newest["action"], newest["reason"]) == ("revert", "too warm")


def test_experiments__of_another_project__are_not_to_be_found(bench: ControlBench) -> None:
    put(bench)
    for key in ("staging", "rival"):
        assert bench.get(EXPERIMENTS, key).status == 404
        assert bench.get(HERO, key).status == 404
        assert bench.call("PUT", HERO, DRAFT, key).status == 404
    assert bench.get(HERO.replace("/default/experiments", "/staging/experiments")).status == 404


def test_experiments__by_a_reader__are_read_only(bench: ControlBench) -> None:
    put(bench)
    assert bench.get(HERO, "reader").status == 200
    assert bench.call("PUT", HERO, DRAFT, "reader", If_Match='"1"').status == 403
    assert bench.call("DELETE", HERO, key="reader", If_Match='"1"').status == 403
