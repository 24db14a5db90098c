"""Plan and apply over HTTP, and the definitions of a project."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fairlot.manifest.definitions import KnownDefinitions
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import SourceFile
from fairlot.store.tables import definitions
from support.asgi import Response
from support.control import ControlBench, control_bench

ROOT = "/api/v1/orgs/default/projects/default"
GOLD = "kind: segment\nkey: gold\nname: Gold\nrule: {tier: gold}\n"
LAYER = "kind: layer\nkey: shop\nname: Shop\n"
METRIC = "kind: metric\nkey: orders\nname: Orders\ntype: conversion\neventName: order\n"
HOLDOUT = "kind: holdout\nkey: quiet\nname: Quiet\nrate: 0.1\n"
HERO = (
    "key: hero\nname: Hero\naudience: {segments: [gold]}\n"
    "variants: [{key: a, name: A}, {key: b, name: B}]\n"
)
VIEWS = "kind: property\nkey: views\nname: Views\nwhen: {event: view}\ntake: count\n"
FilesRead = tuple[Documents, tuple[SpecProblem, ...]]
KINDS = {
    "segments": ("segment", "gold", GOLD),
    "layers": ("layer", "shop", LAYER),
    "metrics": ("metric", "orders", METRIC),
    "holdouts": ("holdout", "quiet", HOLDOUT),
    "properties": ("property", "views", VIEWS),
}


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url, events_dir=tmp_path / "events") as bench:
        yield bench


def ask(bench: ControlBench, what: str, *texts: str, key: str = "admin", **fields: Any) -> Response:
    files = [{"path": f"{number}.yaml", "text": text} for number, text in enumerate(texts)]
    return bench.post(f"{ROOT}/{what}", {"files": files, **fields}, key)


def test_plan__that_takes_an_experiment_from_clients__warns(bench: ControlBench) -> None:
    new = HERO.replace("{segments: [gold]}", "{visitorStatus: new}")
    hidden = "key: hidden\nname: Hidden\ndisplay: once\n" + HERO[HERO.index("variants") :]
    shown = hidden.replace("display: once\n", "")
    assert ask(bench, "apply", GOLD, HERO, hidden).status == 200
    assert ask(bench, "plan", GOLD, HERO, hidden).json["warnings"] == []
    warnings = ask(bench, "plan", GOLD, new, shown).json["warnings"]
    assert [(each["code"], each["about"]) for each in warnings] == [
        ("server_only", "experiment:hero"),
        ("now_public", "experiment:hidden"),
    ]
    assert "SDKs answer the default" in warnings[0]["sentence"]
    assert "for all to read" in warnings[1]["sentence"]


def test_plan__of_what_is_new_and_hidden__warns_of_nothing(bench: ControlBench) -> None:
    new = HERO.replace("{segments: [gold]}", "{visitorStatus: new}")
    assert ask(bench, "plan", new).json["warnings"] == []


def test_plan__of_new_files__says_what_would_be_and_changes_nothing(bench: ControlBench) -> None:
    answer = ask(bench, "plan", GOLD, HERO)
    assert answer.status == 200
    plan = answer.json
    assert [(each["kind"], each["key"], each["action"]) for each in plan["changes"]] == [
        ("segment", "gold", "create"),
        ("experiment", "hero", "create"),
    ]
    (effect,) = plan["effects"]
    assert (effect["experiment"], effect["causes"]) == ("hero", ["created"])
    assert bench.get(f"{ROOT}/experiments").json["items"] == []
    assert ask(bench, "plan", GOLD, HERO).json["base"] == plan["base"]


def test_plan__of_a_changed_segment__tells_whom_it_reaches(bench: ControlBench) -> None:
    ask(bench, "apply", GOLD, HERO)
    plan = ask(bench, "plan", GOLD.replace("gold}", "silver}")).json
    assert plan["changes"][0]["fields"] == [
        {"path": "rule", "before": {"tier": "gold"}, "after": {"tier": "silver"}}
    ]
    (effect,) = plan["effects"]
    assert (effect["experiment"], effect["causes"]) == ("hero", ["segment"])
    assert [(each["kind"], each["key"]) for each in plan["notInFiles"]] == [("experiment", "hero")]


def test_plan__of_weights__shares_are_exact(bench: ControlBench) -> None:
    """60/40 after 50/50: the buckets 5000 to 5999 turn from b to a, a tenth of all."""
    weighted = "variants: [{key: a, name: A, weight: %d}, {key: b, name: B, weight: %d}]\n"
    head = "key: hero\nname: Hero\n"
    ask(bench, "apply", head + weighted % (5000, 5000))
    plan = ask(bench, "plan", head + weighted % (6000, 4000)).json
    assert [field["path"] for field in plan["changes"][0]["fields"]] == [
        "variants.a.weight",
        "variants.b.weight",
    ]
    (effect,) = plan["effects"]
    assert float(effect["share"]) == 0.1
    assert [(pair["from"], pair["to"]) for pair in effect["pairs"]] == [("b", "a")]


def test_apply__with_the_base_of_a_plan__is_made_once(bench: ControlBench) -> None:
    base = ask(bench, "plan", GOLD, HERO).json["base"]
    applied = ask(bench, "apply", GOLD, HERO, base=base, reason="launch")
    assert (applied.status, applied.json["version"]) == (200, 1)
    assert bench.get(f"{ROOT}/manifests/1").json["note"] == "launch"
    again = ask(bench, "apply", GOLD, HERO, base=base)
    assert (again.status, again.json["code"]) == (409, "stale_plan")
    assert "version 1 was published since by key:" in again.json["detail"]
    assert ask(bench, "plan", GOLD, HERO, base=base).status == 409


def test_apply__while_files_are_read__lets_others_write(
    bench: ControlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noting(files: Sequence[SourceFile], known: KnownDefinitions) -> FilesRead:
        with bench.store.writing():
            read.append(len(files))
        return read_files(files, known)

    monkeypatch.setattr("fairlot.service.changes.applying.read_files", noting)
    assert ask(bench, "apply", GOLD, HERO).json["version"] == 1
    assert read == [2]


def test_apply__segment_deleted_after_files_were_read__is_refused(
    bench: ControlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the other way round: one that was made meanwhile may be named."""

    def change_after_reading(deleted_at_ms: int | None) -> None:
        def noting(files: Sequence[SourceFile], before: KnownDefinitions) -> FilesRead:
            monkeypatch.undo()
            found = read_files(files, before)
            with bench.store.writing() as connection:
                connection.execute(definitions.update().values(deleted_at_ms=deleted_at_ms))
            return found

        monkeypatch.setattr("fairlot.service.changes.applying.read_files", noting)

    ask(bench, "apply", GOLD)
    change_after_reading(5)
    refused = ask(bench, "apply", HERO)
    assert (refused.status, refused.json["code"]) == (422, "apply_refused")
    assert {each["path"] for each in refused.json["problems"]} == {"audience.segments[0]"}
    change_after_reading(None)
    assert ask(bench, "apply", HERO).status == 200


def test_apply__files_with_problems__changes_nothing_and_names_all(bench: ControlBench) -> None:
    wrong = HERO.replace("hero", "other").replace("name: Hero", "nmae: Hero")
    answer = ask(bench, "apply", LAYER, HERO, wrong)
    assert (answer.status, answer.json["code"]) == (422, "apply_refused")
    assert {(each["file"], each["path"]) for each in answer.json["problems"]} >= {
        ("1.yaml", "audience.segments[0]"),
        ("2.yaml", "nmae"),
    }
    assert bench.get(f"{ROOT}/layers").json["items"] == []


def test_apply__deletes__need_leave(bench: ControlBench) -> None:
    ask(bench, "apply", LAYER, METRIC)
    named = ask(bench, "apply", LAYER).json
    assert named["notInFiles"] == [{"kind": "metric", "key": "orders", "status": None}]
    deleted = ask(bench, "apply", LAYER, allowDeletes=True).json
    assert (deleted["changes"][1]["action"], deleted["notInFiles"]) == ("delete", [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": {}},
        {"files": [{"path": "", "text": ""}]},
        {"files": [{"path": "a", "text": "x", "more": 1}]},
        {"files": [], "allowDelets": True},
        {"files": [{"path": "a", "text": GOLD}], "reason": ""},
    ],
)
def test_plan_and_apply__body_that_does_not_fit__is_400(bench: ControlBench, body: Any) -> None:
    assert bench.post(f"{ROOT}/plan", body).status == 400
    assert bench.post(f"{ROOT}/apply", body).status == 400


def test_plan__by_a_reader__is_answered_as_nothing_is_changed(bench: ControlBench) -> None:
    writer = {"scopes": ["write"]}
    bench.keys["writer"] = bench.post("/api/v1/orgs/default/keys", writer).json["key"]
    answer = ask(bench, "plan", GOLD, key="reader")
    assert (answer.status, answer.json) == (200, ask(bench, "plan", GOLD).json)
    assert ask(bench, "plan", GOLD, key="writer").status == 403
    assert ask(bench, "apply", GOLD, key="writer").status == 200


def test_plan_and_apply__by_who_may_not__are_refused(bench: ControlBench) -> None:
    assert ask(bench, "apply", GOLD, key="reader").status == 403
    for what in ("plan", "apply"):
        assert ask(bench, what, GOLD, key="staging").status == 404
        assert ask(bench, what, GOLD, key="rival").status == 404


@pytest.mark.parametrize("plural", KINDS)
def test_definitions__of_every_kind__have_the_same_routes(bench: ControlBench, plural: str) -> None:
    kind, key, source = KINDS[plural]
    path = f"{ROOT}/{plural}/{key}"
    made = bench.call("PUT", path, source.encode())
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    assert bench.get(path).json == made.json
    assert (made.json["source"], made.json["kind"]) == (source, kind)
    assert bench.call("PUT", path, source.encode()).status == 428
    changed = source.replace("name: ", "name: New ")
    second = bench.call("PUT", path, changed.encode(), If_Match='"1"')
    assert (second.status, second.json["definition"]["name"][:3]) == (200, "New")
    stale = bench.call("PUT", path, changed.encode(), If_Match='"1"')
    assert (stale.status, stale.json["current"]) == (412, second.json)
    (item,) = bench.get(f"{ROOT}/{plural}").json["items"]
    assert (item["key"], item["revision"]) == (key, 2)
    diff = bench.get(f"{path}/revisions/2/diff").json
    assert [field["path"] for field in diff["fields"]] == ["name"]
    reverted = bench.post(f"{path}/revert", {"revision": 1})
    assert (reverted.json["source"], reverted.headers["etag"]) == (source, '"3"')
    assert bench.call("DELETE", path, If_Match='"3"').status == 204
    assert bench.get(path).status == 404
    assert len(bench.get(f"{path}/revisions").json["items"]) == 4
    assert bench.get(f"{ROOT}/{plural}").json["items"] == []


@pytest.mark.parametrize("body", [b'{"name": "Views"}', b"# a note\nkey: views\n", b"kind:\n"])
def test_definition__put_without_its_kind__is_told_that_and_nothing_else(
    bench: ControlBench, body: bytes
) -> None:
    answer = bench.call("PUT", f"{ROOT}/properties/views", body)

    (problem,) = answer.json["problems"]
    assert (answer.status, problem["path"], problem["value"]) == (422, "kind", "missing")
    fix = "write `kind: property`, as without it a document is an experiment"
    assert problem["message"] == fix


def test_definition__in_use__is_not_deleted(bench: ControlBench) -> None:
    ask(bench, "apply", GOLD, HERO)
    answer = bench.call("DELETE", f"{ROOT}/segments/gold", If_Match='"1"')
    assert (answer.status, "experiment:hero uses it" in answer.json["detail"]) == (422, True)
