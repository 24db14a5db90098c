import socket
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


@pytest.fixture
def data(run: Run) -> Run:
    """`run`, in a directory with an empty data directory."""
    run("init", "--data-only")
    return run


def test_validate__good_folder__says_how_many(run: Run) -> None:
    ran = run("validate", SHOP)
    assert (ran.code, ran.out) == (0, "4 experiment(s), 3 metric(s), no problems.\n")
    assert run("validate", SHOP, "--json").json == {
        "valid": True,
        "experiments": ["checkout-button", "free-delivery", "loyalty-price", "search-ranking"],
        "definitions": [
            {"kind": "metric", "key": "ordered"},
            {"kind": "metric", "key": "revenue"},
            {"kind": "metric", "key": "asked-for-help"},
        ],
    }


@pytest.mark.parametrize("words", [("validate",), ("apply", "--yes")])
def test_folder__problems_in_two_files__are_all_named(
    data: Run, bad: Path, words: tuple[str, ...]
) -> None:
    ran = data(*words, bad)
    assert ran.code == 1
    assert "first.yaml:4: " in ran.err
    assert "weight" in ran.err
    assert "first.yaml:6: " in ran.err
    assert "sampleRate" in ran.err
    assert "second.yml:" in ran.err
    assert ("nothing was changed" in ran.err) is (words[0] == "apply")
    assert ran.out == ""


def test_validate__one_file__is_checked_alone(run: Run, good: Path, bad: Path) -> None:
    assert run("validate", good / "good.yaml").out == "1 experiment(s), no problems.\n"
    ran = run("validate", bad / "second.yml")
    assert (ran.code, "first.yaml" in ran.err) == (1, False)
    (bad / "empty.yaml").write_text("", "utf-8")
    assert "empty.yaml: no experiment in the file" in run("validate", bad / "empty.yaml").err


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


def test_apply__first_time__creates_and_publishes_version_1(data: Run, good: Path) -> None:
    ran = data("apply", good, "--yes")
    assert ran.code == 0, ran.err
    assert "+ experiment good" in ran.out
    assert "1 to create" in ran.out
    assert "Published version 1." in ran.out


def test_apply__same_again__publishes_nothing(data: Run, good: Path) -> None:
    data("apply", good, "--yes")
    ran = data("apply", good)
    assert ran.code == 0
    assert "Nothing to publish." in ran.out


def test_apply__changed__names_the_fields_and_the_next_version(data: Run, good: Path) -> None:
    data("apply", good, "--yes")
    (good / "good.yaml").write_text(GOOD.replace("name: Good", "name: Better"), "utf-8")
    document = data("apply", good, "--yes", "--json").json
    assert document["version"] == 2
    (change,) = document["changes"]
    assert (change["key"], change["action"]) == ("good", "update")
    assert change["fields"] == [{"path": "name", "before": "Good", "after": "Better"}]


def test_apply__nobody_to_ask__changes_nothing(data: Run, good: Path) -> None:
    ran = data("apply", good)
    assert ran.code == 1
    assert "add --yes to publish" in ran.err
    assert data("apply", good, "--json").json["error"]["code"] == "not_confirmed"
    assert data("manifest", "show", "--json").json["version"] == 0


@pytest.mark.parametrize(("answer", "code", "version"), [("y\n", 0, 1), ("n\n", 1, 0)])
def test_apply__on_a_terminal__asks(
    data: Run, good: Path, answer: str, code: int, version: int
) -> None:
    ran = data("apply", good, typed=answer)
    assert ran.code == code
    assert "Publish 1 change(s)?" in ran.out + ran.err
    assert data("manifest", "show", "--json").json["version"] == version


def test_apply__with_yes__tells_shares_and_reshuffles_and_that_nobody_was_counted(
    data: Run, good: Path
) -> None:
    uncounted = "With --yes nobody was counted: ask `fairlot plan` before you apply."
    told = " ".join(data("apply", good, "--yes").out.split())
    assert "100 % of the eligible subjects enter: 50 % into a, 50 % into b. Plan for" in told
    assert uncounted in told
    swapped = "{key: b, name: B}\n  - {key: a, name: A}"
    text = GOOD.replace("{key: a, name: A}\n  - {key: b, name: B}", swapped)
    (good / "good.yaml").write_text(text, "utf-8")
    (planned,) = data("plan", good, "--json").json["effects"]
    ran = data("apply", good, "--yes")
    told = " ".join(ran.out.split())
    assert "100 % of the eligible subjects get another answer: 50 % a -> b, 50 % b -> a." in told
    assert f"! Reshuffles. {planned['reshuffles'][0]['sentence']}" in told
    assert uncounted in told
    (good / "good.yaml").write_text(GOOD, "utf-8")
    (effect,) = data("apply", good, "--yes", "--json").json["effects"]
    assert effect["share"] == planned["share"]
    assert effect["notCountable"][0]["kind"] == "noLog"


def test_apply__with_yes_and_no_effect__says_nothing_of_counting(data: Run, good: Path) -> None:
    data("apply", good, "--yes")
    assert "nobody was counted" not in data("apply", good, "--yes").out


def test_apply__with_yes__warns_as_the_plan_does(data: Run, good: Path) -> None:
    data("apply", good, "--yes")
    text = f"{GOOD}activation: {{}}\n".replace("activation: {}", "audience: {visitorStatus: new}")
    (good / "good.yaml").write_text(text, "utf-8")
    warnings = data("plan", good, "--json").json["warnings"]
    assert [warning["code"] for warning in warnings] == ["server_only"]
    assert data("apply", good, "--yes", "--json").json["warnings"] == warnings


def test_apply__unknown_project__is_an_error(data: Run, good: Path) -> None:
    ran = data("apply", good, "--yes", "--project", "nope")
    assert ran.code == 1
    assert "nope" in ran.err


@pytest.mark.parametrize("words", [(), ("--yes",), ("--yes", "--data", "tpyo")])
def test_apply__no_data_directory__is_an_error_and_makes_none(
    run: Run, good: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ran = run("apply", good, *words, typed="y\n")
    assert ran.code == 1
    assert "no Fairlot data here; run `fairlot init` or `fairlot serve` first" in ran.err
    assert list(tmp_path.iterdir()) == [good]


def test_apply__data_directory_of_a_server_that_never_started__is_an_error(
    run: Run, good: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run("serve", "--port", taken.getsockname()[1]).code == 1
    ran = run("apply", good, "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "no_data_directory")


def test_apply__what_is_in_no_file__is_named(shop: Run, good: Path) -> None:
    ran = shop("apply", good, "--yes")
    told = " ".join(ran.out.split())
    assert "In no file, and kept as they are: metric asked-for-help," in told
    absent = shop("apply", good, "--yes", "--json").json["notInFiles"]
    assert {"kind": "experiment", "key": "search-ranking", "status": "paused"} in absent
    assert len(absent) == 7


def test_apply__everything_has_a_file__names_nothing(data: Run, good: Path) -> None:
    data("apply", good, "--yes")
    assert "In no file" not in data("apply", good, "--yes").out


def test_apply__with_leave_to_delete__deletes_what_is_over(data: Run, good: Path) -> None:
    (good / "old.yaml").write_text(GOOD.replace("good", "old") + "status: completed\n", "utf-8")
    data("apply", good, "--yes")
    (good / "old.yaml").unlink()
    kept = data("apply", good, "--yes")
    assert "experiment old" in kept.out
    ran = data("apply", good, "--yes", "--allow-deletes")
    assert "- experiment old" in ran.out
    assert data("experiments", "show", "old").code == 1


def test_apply__changed_while_somebody_thinks__publishes_nothing(
    data: Run, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = good.parent / "other"
    other.mkdir()
    (other / "other.yaml").write_text(GOOD.replace("good", "other"), "utf-8")

    def think(*_: object, **__: object) -> bool:
        assert data("apply", other, "--yes").code == 0
        return True

    monkeypatch.setattr("click.confirm", think)
    ran = data("apply", good, typed="")
    assert ran.code == 1
    assert "the plan is stale: version 1 was published since by local:" in ran.err
    assert data("manifest", "show", "--json").json["version"] == 1


def test_apply__with_a_reason__is_in_the_revisions(data: Run, good: Path) -> None:
    data("apply", good, "--yes", "--reason", "launch")
    (first,) = data("experiments", "revisions", "good", "--json").json["revisions"]
    assert (first["action"], first["reason"], first["number"]) == ("create", "launch", 1)
    assert first["author"].startswith("local:")


def test_plan__new_folder__shows_it_and_changes_nothing(data: Run, good: Path) -> None:
    ran = data("plan", good)
    assert ran.code == 0, ran.err
    assert "+ experiment good" in ran.out
    assert "Plan for default/default: 1 to create." in ran.out
    assert data("manifest", "show", "--json").json["version"] == 0
    assert data("plan", good, "--json").json["changes"][0]["action"] == "create"
    assert data("plan", good, "--markdown").out.startswith("#")


def test_plan__problems__are_those_of_validate(data: Run, bad: Path) -> None:
    ran = data("plan", bad)
    assert (ran.code, "first.yaml:4: " in ran.err) == (1, True)
    assert data("plan", bad, "--json").json["error"]["code"] == "invalid_experiments"


@pytest.mark.parametrize(("limit", "code"), [("9%", 4), ("0.099", 4), ("10%", 0), ("0.1", 0)])
def test_plan__over_the_limit__ends_with_its_own_code(
    data: Run, good: Path, limit: str, code: int
) -> None:
    """60/40 after 50/50 gives another answer to a tenth of the eligible."""
    variants = "variants: [{key: a, name: A, weight: %d}, {key: b, name: B, weight: %d}]\n"
    head = "key: good\nname: Good\n"
    (good / "good.yaml").write_text(head + variants % (5000, 5000), "utf-8")
    assert data("plan", good, "--fail-over", limit).code == 0
    data("apply", good, "--yes")
    (good / "good.yaml").write_text(head + variants % (6000, 4000), "utf-8")
    ran = data("plan", good, "--fail-over", limit)
    assert ran.code == code
    assert ("good: 10 % of the eligible" in ran.err) is bool(code)


def test_plan__limit_that_is_none__is_an_error(data: Run, good: Path) -> None:
    ran = data("plan", good, "--fail-over", "much")
    assert (ran.code, "--fail-over" in ran.err) == (1, True)


@pytest.mark.parametrize("words", [("plan",), ("apply", "--yes"), ("apply",)])
def test_folder__over_what_goes_at_once__is_refused_before_it_is_sent(
    run: Run, good: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for at in range(7):
        (good / f"long-{at}.yaml").write_text("# é" + "x" * 1_000_000, "utf-8")
    monkeypatch.setenv("FAIRLOT_API_KEY", "fx_key_12345678." + "s" * 40)
    ran = run(*words, good, "--url", "http://127.0.0.1:9")
    assert ran.code == 1
    assert "the files are 6.7 MiB together, and 4 MiB go at once" in ran.err
    assert "apply the folder in parts, without --allow-deletes" in ran.err


def test_folder__within_what_goes_at_once__is_measured_as_it_is_written(
    data: Run, good: Path
) -> None:
    for at in range(7):
        (good / f"long-{at}.yaml").write_text("# " + "ж" * 250_000, "utf-8")
    assert data("plan", good).code == 0
