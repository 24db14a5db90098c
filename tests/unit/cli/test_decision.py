import json
import re
from pathlib import Path

import pytest

from fairlot.cli.decision import read_attributes
from fairlot.cli.errors import InvalidArgument
from support.commands import Run


def test_decide__one_who_is_in__ends_with_0_and_names_the_variant(shop: Run) -> None:
    ran = shop("decide", "free-delivery", "ada")
    assert ran.code == 0
    assert re.match(r"free-delivery, ada: variant [a-z0-9-]+ \(bucket\)\npayload \{", ran.out)


def test_decide__one_who_is_out__ends_with_3(shop: Run) -> None:
    ran = shop("decide", "search-ranking", "ada")
    assert (ran.code, ran.out) == (3, "search-ranking, ada: no variant (paused)\n")


def test_decide__with_json__is_stable(shop: Run) -> None:
    document = shop("decide", "free-delivery", "ada", "--json").json
    assert document.keys() == {
        "experiment",
        "subject",
        "variant",
        "variantId",
        "payload",
        "redirect",
        "inExperiment",
        "reason",
        "problem",
        "manifestVersion",
    }
    assert document["variantId"].startswith("var_")
    assert document["manifestVersion"] == 1
    assert document == shop("decide", "free-delivery", "ada", "--json").json


def test_decide__url__decides_the_page_part(shop: Run) -> None:
    page = ("decide", "checkout-button", "ada", "--url")
    assert shop(*page, "https://shop.example/cart?campaign=Autumn").code == 0
    assert shop(*page, "https://shop.example/cart?campaign=spring").code == 3
    assert shop(*page, "https://shop.example/help?campaign=autumn").code == 3
    assert shop(*page, "https://shop.example/cart", "--search", "campaign=autumn").code == 0


def test_decide__attributes__decide_the_person_part(shop: Run) -> None:
    words = ("decide", "loyalty-price", "ada", "--json", "--attr")
    assert shop(*words, "tier=basic").json["reason"] == "audience"
    assert shop(*words, "tier=gold").json["reason"] in ("sample", "bucket")


def test_decide__explain__prints_the_steps_in_order(shop: Run) -> None:
    ran = shop("decide", "free-delivery", "ada", "--explain")
    lines = ran.out.splitlines()
    assert lines[3].split() == ["step", "verdict", "note", "details"]
    assert "answered" in lines[-1]
    document = shop("decide", "free-delivery", "ada", "--explain", "--json").json
    steps = document["trace"]["steps"]
    assert document["trace"]["reason"] == document["reason"]
    assert [line.split()[0] for line in lines[4:]] == [step["name"] for step in steps]
    assert steps[-1]["verdict"] == "answered"


def test_decide__dash__reads_subjects_from_stdin(shop: Run) -> None:
    ran = shop("decide", "free-delivery", "-", stdin="ada\nbob\n")
    assert ran.code == 0
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert [document["subject"] for document in documents] == ["ada", "bob"]
    assert documents[0] == shop("decide", "free-delivery", "ada", "--json").json


def test_decide__anything__records_nothing(shop: Run) -> None:
    shop("decide", "free-delivery", "ada")
    assert shop("events", "--json").json == {"events": []}


def test_decide__unknown_experiment__names_the_nearest(shop: Run) -> None:
    ran = shop("decide", "free-delivry", "ada")
    assert ran.code == 1
    assert "free-delivry: no such experiment; did you mean free-delivery?" in ran.err
    error = shop("decide", "free-delivry", "ada", "--json").json["error"]
    assert error["code"] == "unknown_experiment"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        ("draft", "a draft, which no client sees; start it"),
        ("completed", "completed without a rollout, so no client sees it any more"),
    ],
)
def test_decide__experiment_that_is_not_served__says_why(run: Run, status: str, line: str) -> None:
    run("init")
    welcome = Path("experiments/welcome.yaml")
    text = welcome.read_text("utf-8").replace("status: running", f"status: {status}")
    welcome.write_text(text, "utf-8")
    run("apply", "experiments", "--yes")
    ran = run("decide", "welcome", "ada")
    assert ran.code == 1
    assert f"welcome: {line}" in ran.err
    error = run("decide", "welcome", "ada", "--json").json["error"]
    assert (error["code"], error["experimentStatus"]) == ("not_served", status)


@pytest.mark.parametrize("subject", ["", "x" * 401, "a\0b", "\udc80"])
def test_decide__subject_that_the_server_refuses__is_refused(shop: Run, subject: str) -> None:
    ran = shop("decide", "free-delivery", subject, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "invalid_argument")


def test_decide__nothing_published__says_how_to_publish(run: Run) -> None:
    run("init")
    ran = run("decide", "welcome", "ada")
    assert ran.code == 1
    assert "fairlot apply DIR" in ran.err


def test_attributes__json_or_text__are_read_by_type() -> None:
    assert read_attributes(["a=1", "b=x=y", "c=true", 'd=["p"]', 'e="1"', "f="]) == {
        "a": 1,
        "b": "x=y",
        "c": True,
        "d": ["p"],
        "e": "1",
        "f": "",
    }


@pytest.mark.parametrize("pair", ["tier", "=pro", ""])
def test_attributes__not_a_pair__are_refused(pair: str) -> None:
    with pytest.raises(InvalidArgument, match="write KEY=VALUE"):
        read_attributes([pair])
