import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from fairlot.cli.demo_results import verdict_problems
from fairlot.stats.results import VerdictKind
from support.commands import Run
from support.results import a_winner


def test_report__nobody_exposed__says_so_and_writes_the_page(shop: Run, tmp_path: Path) -> None:
    ran = shop("report", "checkout-button", "--html", "report.html")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("BLOCKED\n")
    assert ran.out.endswith("\nWrote report.html\n")
    assert "Checkout button says what happens next (checkout-button)" in ran.out
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_report__as_json__is_what_the_route_answers(shop: Run) -> None:
    ran = shop("report", "checkout-button", "--json")
    document = json.loads(ran.out)
    assert (document["experiment"], document["verdict"]["kind"]) == ("checkout-button", "blocked")
    assert document["plannedSize"] == 10_000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("checkout-buton",), "did you mean checkout-button?"),
        (("checkout-button", "--as-of", "yesterday"), "'yesterday': write a day"),
        (("checkout-button", "--segment", "colour"), "'colour': write device, source"),
        (("checkout-button", "--engine", "spark"), "'spark': is asked from Python, with a session"),
        (("checkout-button", "--engine", "postgresql"), "warehouse_url (FAIRLOT_WAREHOUSE_URL)"),
        (("checkout-button", "--html", "nowhere/report.html"), "nowhere/report.html: No such file"),
    ],
)
def test_report__what_cannot_be_answered__is_an_error_that_says_why(
    shop: Run, words: tuple[str, ...], told: str
) -> None:
    ran = shop("report", *words)
    assert ran.code == 1
    assert told in ran.err


def test_verdict_problems__another_verdict_than_the_visitors_must_lead_to__is_named() -> None:
    winner = a_winner()
    assert verdict_problems([winner]) == []
    verdict = replace(winner.verdict, kind=VerdictKind.BLOCKED)
    assert verdict_problems([replace(winner, verdict=verdict)]) == [
        "checkout-button: the verdict is blocked, and must be winner"
    ]


def test_doctor__nobody_exposed__says_what_blocks_the_verdict(shop: Run) -> None:
    ran = shop("doctor", "checkout-button")
    assert ran.code == 1
    assert "BLOCKS no_exposures: Nobody was exposed who counts." in ran.out
