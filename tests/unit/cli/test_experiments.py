from pathlib import Path

import pytest

from support.commands import SHOP, Run

TWO_PROBLEMS = """\
key: first
name: First
variants:
  - {key: a, name: A, weigth: 5000}
  - {key: b, name: B}
sampleRaet: 0.5
"""
ANOTHER = """\
key: second
name: Second
variants:
  - {key: a, name: A}
"""
GOOD = """\
key: good
name: Good
variants:
  - {key: a, name: A}
  - {key: b, name: B}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "first.yaml").write_text(TWO_PROBLEMS, "utf-8")
    (folder / "second.yml").write_text(ANOTHER, "utf-8")
    return folder


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD, "utf-8")
    return folder


def test_validate__good_folder__says_how_many(run: Run) -> None:
    ran = run("validate", SHOP)
    assert (ran.code, ran.out) == (0, "4 experiment(s), no problems.\n")
    assert run("validate", SHOP, "--json").json == {
        "valid": True,
        "experiments": ["checkout-button", "free-delivery", "loyalty-price", "search-ranking"],
    }


@pytest.mark.parametrize("words", [("validate",), ("apply", "--yes")])
def test_folder__problems_in_two_files__are_all_named(
    run: Run, bad: Path, words: tuple[str, ...]
) -> None:
    ran = run(*words, bad)
    assert ran.code == 1
    assert "first.yaml:4: " in ran.err
    assert "weight" in ran.err
    assert "first.yaml:6: " in ran.err
    assert "sampleRate" in ran.err
    assert "second.yml:" in ran.err
    assert ran.out == ""


def test_folder__problems_with_json__are_a_list(run: Run, bad: Path) -> None:
    error = run("validate", bad, "--json").json["error"]
    assert error["code"] == "invalid_experiments"
    assert {Path(problem["file"]).name for problem in error["problems"]} == {
        "first.yaml",
        "second.yml",
    }
    assert all({"line", "path", "value", "message"} <= set(each) for each in error["problems"])


def test_folder__no_experiment__is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = run("validate", "empty")
    assert ran.code == 1
    assert "no experiment in any .yaml or .yml file" in ran.err


def test_apply__first_time__creates_and_publishes_version_1(run: Run, good: Path) -> None:
    ran = run("apply", good, "--yes")
    assert ran.code == 0, ran.err
    assert "Admin key:" in ran.out
    assert "good        created" in ran.out
    assert "Published version 1." in ran.out


def test_apply__same_again__publishes_nothing(run: Run, good: Path) -> None:
    run("apply", good, "--yes")
    ran = run("apply", good)
    assert ran.code == 0
    assert "Nothing to publish." in ran.out
    assert "Admin key" not in ran.out


def test_apply__changed__names_the_fields_and_the_next_version(run: Run, good: Path) -> None:
    run("apply", good, "--yes")
    (good / "good.yaml").write_text(GOOD.replace("name: Good", "name: Better"), "utf-8")
    document = run("apply", good, "--yes", "--json").json
    assert document["version"] == 2
    assert document["credentials"] is None
    (change,) = document["changes"]
    assert (change["key"], change["kind"], change["fields"]) == ("good", "updated", ["name"])


def test_apply__nobody_to_ask__changes_nothing(run: Run, good: Path) -> None:
    ran = run("apply", good)
    assert ran.code == 1
    assert "add --yes to publish" in ran.err
    assert run("apply", good, "--json").json["error"]["code"] == "not_confirmed"
    assert run("manifest", "show", "--json").json["version"] == 0


@pytest.mark.parametrize(("answer", "code", "version"), [("y\n", 0, 1), ("n\n", 1, 0)])
def test_apply__on_a_terminal__asks(
    run: Run, good: Path, answer: str, code: int, version: int
) -> None:
    ran = run("apply", good, typed=answer)
    assert ran.code == code
    assert "Publish 1 change(s)?" in ran.out + ran.err
    assert run("manifest", "show", "--json").json["version"] == version


def test_apply__unknown_project__is_an_error(run: Run, good: Path) -> None:
    ran = run("apply", good, "--yes", "--project", "nope")
    assert ran.code == 1
    assert "nope" in ran.err
