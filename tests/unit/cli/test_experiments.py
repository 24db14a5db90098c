"""What is done to experiments and definitions by commands."""

from pathlib import Path

import pytest

from support.commands import Run

DRAFT = """\
key: hero
name: Hero
owner: anna
status: draft
variants:
  - {key: a, name: A}
  - {key: b, name: B}
"""
MORE = """\
# two documents in one file
kind: segment
key: gold
rule: {tier: gold}
---
kind: layer
key: shop
---
kind: metric
key: orders
type: conversion
eventName: order
---
kind: holdout
key: quiet
rate: 0.1
"""


@pytest.fixture
def hero(run: Run, tmp_path: Path) -> Run:
    """`run`, in a directory whose project has the draft `hero` and one definition of each kind."""
    run("init", "--data-only")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "hero.yaml").write_text(DRAFT, "utf-8")
    (folder / "more.yaml").write_text(MORE, "utf-8")
    assert run("apply", folder, "--yes").code == 0
    return run


def test_experiments__listed_and_shown(hero: Run) -> None:
    assert "hero  draft   1         anna" in hero("experiments", "list").out
    assert hero("experiments", "list", "--status", "running", "--json").json["experiments"] == []
    assert len(hero("experiments", "list", "--search", "ANN", "--json").json["experiments"]) == 1
    shown = hero("experiments", "show", "hero")
    assert shown.out.startswith("hero: draft, revision 1 (create by local:")
    assert DRAFT in shown.out
    assert hero("experiments", "show", "hero", "--json").json["source"] == DRAFT


def test_experiments__through_their_life__say_what_they_do(hero: Run) -> None:
    assert hero("experiments", "start", "hero").out == "hero runs. Published version 2.\n"
    assert hero("experiments", "pause", "hero").out == "hero is paused. Published version 3.\n"
    assert hero("experiments", "resume", "hero", "--reason", "fixed").code == 0
    assert hero("experiments", "complete", "hero").out.startswith("hero is completed.")
    ran = hero("experiments", "rollout", "hero", "b")
    assert ran.out == "hero gives b to everybody. Published version 6.\n"
    assert hero("experiments", "rollout", "hero").code == 1
    assert hero("experiments", "rollout", "hero", "--end").code == 0
    assert "completed" in hero("experiments", "list").out


def test_experiments__under_review__need_another_person(
    hero: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hero("projects", "update", "default", "--review-required")
    ran = hero("experiments", "start", "hero")
    assert (ran.code, "this project asks for a review: submit it first" in ran.err) == (1, True)
    assert hero("experiments", "submit", "hero").out == "hero is in review.\n"
    ran = hero("experiments", "approve", "hero")
    assert (ran.code, "is among its authors: somebody else" in ran.err) == (1, True)
    monkeypatch.setenv("FAIRLOT_ACTOR", "ben")
    assert hero("experiments", "reject", "hero", "--reason", "too vague").code == 0
    assert hero("experiments", "show", "hero").out.startswith("hero: draft (too vague), revision 3")
    hero("experiments", "submit", "hero")
    assert hero("experiments", "approve", "hero").out == "hero is approved.\n"
    assert "approved by local:ben" in hero("experiments", "show", "hero").out
    assert hero("experiments", "start", "hero").code == 0


@pytest.mark.parametrize("verdict", [("approve",), ("reject", "--reason", "too vague")])
def test_review__of_a_revision_that_is_not_the_newest__is_refused(
    hero: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: tuple[str, ...]
) -> None:
    hero("experiments", "submit", "hero")
    warmer = DRAFT.replace("owner: anna", "owner: ben")
    (tmp_path / "files" / "hero.yaml").write_text(warmer, "utf-8")
    hero("apply", tmp_path / "files", "--yes")
    hero("experiments", "submit", "hero")
    monkeypatch.setenv("FAIRLOT_ACTOR", "ben")
    action, *reason = verdict
    ran = hero("experiments", action, "hero", *reason, "--revision", 2)
    assert (ran.code, "hero is at revision 4 by now: look at it first" in ran.err) == (1, True)
    refused = hero("experiments", action, "hero", *reason, "--revision", 2, "--json")
    assert (refused.json["error"]["code"], refused.json["error"]["current"]["revision"]) == (
        "stale",
        4,
    )
    assert hero("experiments", "show", "hero").out.startswith("hero: review")
    assert hero("experiments", action, "hero", *reason, "--revision", 4).code == 0


def test_kill__of_what_runs__needs_a_reason_and_says_who_hears_of_it(hero: Run) -> None:
    hero("experiments", "start", "hero")
    assert hero("kill", "hero").code == 2
    ran = hero("kill", "hero", "--reason", "checkout is broken")
    assert ran.out.startswith("hero is killed. Published version 3.\nThe workers")
    assert "killed (checkout is broken)" in hero("experiments", "show", "hero").out
    refused = hero("experiments", "kill", "hero", "--reason", "again", "--json").json["error"]
    assert (refused["code"], refused["state"]) == ("action_refused", "killed")


def test_show__after_a_kill_by_another__names_both(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "--data-only")
    (tmp_path / "hero.yaml").write_text(DRAFT.replace("draft", "running"), "utf-8")
    monkeypatch.setenv("FAIRLOT_ACTOR", "anna")
    run("apply", tmp_path, "--yes")
    monkeypatch.setenv("FAIRLOT_ACTOR", "ben")
    run("kill", "hero", "--reason", "broken")
    title = run("experiments", "show", "hero").out.splitlines()[0]
    assert title == "hero: killed (broken), revision 2 (kill by local:ben), written by local:anna"


def test_revisions__listed_compared_and_reverted(hero: Run, tmp_path: Path) -> None:
    warmer = DRAFT.replace("owner: anna", "owner: ben\nsampleRate: 0.5")
    (tmp_path / "files" / "hero.yaml").write_text(warmer, "utf-8")
    hero("apply", tmp_path / "files", "--yes", "--reason", "warmer")
    listed = hero("experiments", "revisions", "hero").out.splitlines()
    assert listed[1].split()[0] == "2"
    assert listed[1].endswith("update  draft   warmer")
    diff = hero("experiments", "diff", "hero", 2).out
    assert "audience.sampleRate: - -> 0.5\n" in diff
    assert 'owner: "anna" -> "ben"\n' in diff
    assert "\n+sampleRate: 0.5\n" in diff
    for option in ("--from", "--against"):
        assert hero("experiments", "diff", "hero", 2, option, 2).out == "The texts are the same.\n"
    ran = hero("experiments", "revert", "hero", 1, "--reason", "too warm")
    assert ran.out == "hero is at revision 3, with the text of 1.\n"
    assert hero("experiments", "show", "hero", "--json").json["source"] == DRAFT


def test_delete__asked_and_confirmed__is_for_good(hero: Run) -> None:
    assert "add --yes to delete" in hero("experiments", "delete", "hero").err
    assert hero("experiments", "delete", "hero", typed="n\n").code == 1
    assert hero("experiments", "delete", "hero", typed="y\n").out.endswith("Deleted hero.\n")
    assert hero("experiments", "show", "hero").code == 1


@pytest.mark.parametrize(
    ("plural", "key"),
    [("segments", "gold"), ("layers", "shop"), ("metrics", "orders"), ("holdouts", "quiet")],
)
def test_definitions__listed_shown_and_deleted(hero: Run, plural: str, key: str) -> None:
    (item,) = hero(plural, "list", "--json").json[plural]
    assert (item["key"], item["revision"]) == (key, 1)
    assert key in hero(plural, "list").out
    assert f"key: {key}\n" in hero(plural, "show", key).out
    assert len(hero(plural, "revisions", key, "--json").json["revisions"]) == 1
    assert hero(plural, "delete", key, "--yes", "--json").json == {"deleted": key}
    assert hero(plural, "list", "--json").json[plural] == []


def test_export__to_a_folder__gives_the_texts_back_byte_for_byte(hero: Run, tmp_path: Path) -> None:
    ran = hero("export", "out")
    assert ran.out == "Wrote 5 file(s) under out.\n"
    assert (tmp_path / "out" / "hero.yaml").read_bytes() == DRAFT.encode()
    parts = ("segments/gold", "layers/shop", "metrics/orders", "holdouts/quiet")
    texts = [(tmp_path / "out" / f"{part}.yaml").read_text("utf-8") for part in parts]
    assert "".join(texts) == MORE
    again = hero("apply", "out", "--yes", "--json").json
    assert {change["action"] for change in again["changes"]} == {"none"}


def test_export__into_the_folder_of_other_files__warns_of_the_keys_that_stand_twice(
    hero: Run, tmp_path: Path
) -> None:
    (tmp_path / "files" / "hero.yaml").rename(tmp_path / "files" / "mine.yaml")
    ran = hero("export", "files")
    assert ran.out == "Wrote 5 file(s) under files.\n"
    assert "5 key(s) stand in other files under files too, and plan and apply refuse" in ran.err
    assert f"  {Path('files') / 'mine.yaml'}:1: experiment hero\n" in ran.err
    assert f"  {Path('files') / 'more.yaml'}:2: segment gold\n" in ran.err
    assert hero("plan", "files").code == 1


def test_export__beside_files_of_something_else__warns_of_nothing(
    hero: Run, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.yaml").write_text(DRAFT.replace("hero", "other"), "utf-8")
    (tmp_path / "out" / "hero.yaml").write_text(DRAFT.replace("Hero", "Other"), "utf-8")
    assert hero("export", "out").err == ""


def test_export__of_a_moment_before__is_what_stood_there(hero: Run, tmp_path: Path) -> None:
    assert hero("export", "out", "--at", "2001-01-01T00:00:00Z", "--json").json == {"files": []}
    ran = hero("export", "out", "--at", "yesterday")
    assert (ran.code, "at" in ran.err) == (1, True)
    later = hero("export", "out", "--at", "2999-01-01T00:00:00Z", "--json").json["files"]
    assert str(Path("out") / "hero.yaml") in later


def test_export__of_a_revision__prints_its_text(hero: Run) -> None:
    assert hero("export", "hero", "--revision", 1).out == DRAFT
    gold = hero("export", "gold", "--kind", "segment", "--revision", 1).out
    assert MORE.startswith(gold)
    assert hero("export", "hero", "--revision", 9).code == 1
