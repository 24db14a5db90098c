import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot import engine
from fairlot.engine import Context, Experiment
from fairlot.events import Assignment
from fairlot.profiles import Happening, claim_of_subject
from fairlot.service.profiles import ProfilesUnavailable, Work
from fairlot.warehouse.log import EventLog, count_exposures
from support.applying import apply_texts
from support.control import ControlBench, control_bench
from support.serving import NOW_MS

PROJECT = "/api/v1/orgs/default/projects/default"
DECIDE = f"{PROJECT}/decide"
EXPLAIN = f"{PROJECT}/explain"
HERO = """
key: hero
name: Hero
audience: {rule: {tier: pro}}
variants: [{key: a, name: A}, {key: b, name: B, payload: {n: 1}}]
"""
PRO = {"attributes": {"tier": "pro"}}


ONCE = """
key: once
name: Once
display: once
audience: {segments: [buyers]}
variants: [{key: a, name: A}, {key: b, name: B}]
---
kind: segment
key: buyers
history: [{event: order}]
"""


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        yield bench


def decide(bench: ControlBench, *subjects: str, **fields: Any) -> Any:
    asked = {"experimentKey": "hero", "subjectIds": subjects, "context": PRO, **fields}
    return bench.post(DECIDE, asked)


def explain(bench: ControlBench, subject: str = "ada", **fields: Any) -> Any:
    asked = {"experimentKey": "hero", "subjectId": subject, "context": PRO, **fields}
    return bench.post(EXPLAIN, asked)


def test_decide__of_several__is_what_the_server_would_answer(bench: ControlBench) -> None:
    decisions = decide(bench, "ada", "bob", "ada").json["decisions"]
    assert [each["subject"] for each in decisions] == ["ada", "bob", "ada"]
    assert decisions[0] == decisions[2]
    compiled = bench.services.decisions.snapshot.projects["default", "default"].compiled
    for each in decisions:
        context = Context(attributes={"tier": "pro"}, now_ms=NOW_MS)
        decision = engine.decide(compiled, "hero", each["subject"], context)
        assert decision.variant is not None
        assert (each["variant"], each["variantId"], each["payload"]) == (
            decision.variant.key,
            decision.variant.id,
            decision.variant.payload,
        )
    assert {each["reason"] for each in decisions} == {"bucket"}
    assert {each["manifestVersion"] for each in decisions} == {1}


def test_decide__context__is_that_of_the_question(bench: ControlBench) -> None:
    (out,) = decide(bench, "ada", context={}).json["decisions"]
    assert (out["variant"], out["reason"], out["inExperiment"]) == (None, "audience", False)


def test_explain__as_choose__begins_with_the_login_and_ends_with_the_display(
    bench: ControlBench,
) -> None:
    explained = explain(bench, asChoose=True, sessionId="s1").json
    steps = explained["trace"]["steps"]
    assert [each["name"] for each in (steps[0], steps[-1])] == ["login", "display"]
    assert steps[0]["note"] == "no profile is known; the draw is for the id itself"
    assert explained["variant"] == explain(bench).json["variant"]


def test_explain__has_the_steps_and_the_same_answer(bench: ControlBench) -> None:
    explained = explain(bench).json
    (decided,) = decide(bench, "ada").json["decisions"]
    trace = explained.pop("trace")
    assert explained == decided
    assert (trace["reason"], trace["steps"][-1]["verdict"]) == ("bucket", "answered")


def test_questions__published_by_another_worker__are_about_the_newest(bench: ControlBench) -> None:
    apply_texts(bench.store, HERO.replace("n: 1", "n: 2"), now_ms=NOW_MS)
    versions = {each["manifestVersion"] for each in decide(bench, "ada").json["decisions"]}
    assert versions == {explain(bench).json["manifestVersion"]} == {2}


def test_questions__remembered_variant__is_used_and_nothing_recorded(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    with control_bench(tmp_path, None) as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        (before,) = decide(bench, "ada", context={}).json["decisions"]
        remember(tmp_path / "events", experiment_id(bench), "ada", "b")
        (after,) = decide(bench, "ada", context={}).json["decisions"]
        explained = explain(bench, context={}).json
    assert (before["reason"], before["variant"]) == ("audience", None)
    assert (after["reason"], after["variant"]) == ("sticky", "b")
    assert (explained["reason"], explained["variant"]) == ("sticky", "b")
    assert count_exposures(tmp_path / "events") == {}


def experiment_id(bench: ControlBench) -> str:
    bench.services.decisions.refresh()
    serving = bench.services.decisions.snapshot.projects["default", "default"]
    found = serving.compiled.manifest.experiments[0]
    assert isinstance(found, Experiment)
    return found.id


def remember(events_dir: Path, experiment_id: str, unit_id: str, variant: str) -> None:
    log = EventLog.open(events_dir)
    log.record(None, Assignment(experiment_id, "hero", unit_id, variant, 1, NOW_MS))
    log.close(5)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"experimentKey": "hreo"}, 404, "unknown_experiment"),
        ({"experimentKey": "sketch"}, 409, "not_served"),
        ({"experimentKey": ""}, 400, "invalid_fields"),
        ({"subjectIds": []}, 400, "invalid_fields"),
        ({"subjectIds": ["x" * 401]}, 400, "invalid_fields"),
        ({"subjectIds": ["a\0b"]}, 400, "invalid_fields"),
        ({"subjectIds": ["a"] * 1001}, 400, "invalid_fields"),
        ({"subjectIds": ["\ud800"]}, 400, "malformed_json"),
        ({"context": {"URL": "x"}}, 400, "invalid_fields"),
        ({"context": {"device": "fridge"}}, 400, "invalid_fields"),
    ],
)
def test_decide__what_cannot_be_answered__is_told(
    bench: ControlBench, fields: dict[str, Any], status: int, code: str
) -> None:
    apply_texts(bench.store, HERO.replace("hero", "sketch") + "status: draft\n", now_ms=NOW_MS)
    asked = {"experimentKey": "hero", "subjectIds": ["ada"], **fields}
    answer = bench.post(DECIDE, json.dumps(asked).encode())
    assert (answer.status, answer.json["code"]) == (status, code)


def test_decide__attributes_nested_too_deeply__are_told(bench: ControlBench) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    body = b'{"experimentKey":"hero","subjectIds":["ada"],"context":{"attributes":' + deep + b"}}"
    assert bench.post(DECIDE, body).status in (200, 400)
    body = body.replace(deep, b'{"a":' * 9000 + b"1" + b"}" * 9000)
    assert bench.post(DECIDE, body).status == 400


def test_questions__project_without_a_manifest__is_told(bench: ControlBench) -> None:
    path = "/api/v1/orgs/default/projects/staging/decide"
    answer = bench.post(path, {"experimentKey": "hero", "subjectIds": ["ada"]})
    assert (answer.status, answer.json["code"]) == (404, "nothing_published")


def test_questions__scopes__are_decide_and_read(bench: ControlBench) -> None:
    assert (
        bench.post(EXPLAIN, {"experimentKey": "hero", "subjectId": "ada"}, "reader").status == 200
    )
    asked: Any = {"experimentKey": "hero", "subjectIds": ["ada"]}
    assert bench.post(DECIDE, asked, "reader").status == 403


def test_question__that_asks_a_profile__is_answered_with_it(bench: ControlBench) -> None:
    apply_texts(bench.store, HERO, ONCE, now_ms=NOW_MS)
    serving = bench.services.decisions
    serving.refresh()
    project_id = serving.snapshot.projects["default", "default"].project_id
    happening = Happening(event_id="o1", name="order", at_ms=NOW_MS - 1, properties={})
    bench.client.run(
        bench.services.profiles.apply(
            Work(project_id, claim_of_subject("ada"), NOW_MS, happenings=(happening,))
        )
    )
    fields: dict[str, Any] = {"experimentKey": "once", "context": {}}
    ada, bob = decide(bench, "ada", "bob", **fields).json["decisions"]
    assert (ada["reason"], bob["reason"]) == ("bucket", "audience")
    explained = explain(bench, **fields).json
    steps = {each["name"]: each for each in explained["trace"]["steps"]}
    assert steps["person"]["details"]["history"] == {"order": 1}


def test_question__profiles_away__is_503(tmp_path: Path) -> None:
    class Away:
        async def find(self, *_asked: object) -> None:
            raise ProfilesUnavailable("the database is away")

    with control_bench(tmp_path, None, profiles=Away()) as bench:
        apply_texts(bench.store, HERO, ONCE, now_ms=NOW_MS)
        answer = decide(bench, "ada", experimentKey="once", context={})
        assert decide(bench, "ada").status == 200
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
