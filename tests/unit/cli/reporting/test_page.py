import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from fairlot.cli.reporting.page import page_of, report_html
from fairlot.stats.results import ExperimentResult, Interval, Side, ValuesAre
from support.results import (
    HOSTILE,
    a_comparison,
    a_metric,
    a_result,
    a_winner,
    blocked,
    hostile,
    no_difference,
    preliminary,
    uncompared,
    without_exposures,
)

ACTIVE = frozenset(
    {"script", "img", "link", "iframe", "object", "embed", "a", "form", "base", "use"}
)
VOID = frozenset({"meta"})


class Reader(HTMLParser):
    """Which elements there are, with what attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize(
    "result",
    [a_winner(), no_difference(), blocked(), preliminary(), without_exposures(), hostile()],
    ids=["winner", "no difference", "blocked", "preliminary", "nobody", "hostile"],
)
def test_report_html__any_result__is_whole_and_needs_nothing_else(result: ExperimentResult) -> None:
    html = report_html(result)
    read = Reader(html)
    assert read.open == []
    assert not read.elements & ACTIVE
    assert not read.attributes & {"src", "href", "srcset", "xlink:href", "action"}
    assert not any(name.startswith("on") for name in read.attributes)
    assert re.search(r"url\(|@import|https?:", html) is None
    assert "default-src 'none'" in html


def test_report_html__names_that_are_scripts__are_texts() -> None:
    html = report_html(hostile())
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 15
    assert HOSTILE in "".join(Reader(html).texts)


def test_report_html__dark_and_small_screens__have_rules_of_their_own() -> None:
    html = report_html(a_winner())
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media (max-width: 45rem)" in html
    assert 'content="width=device-width, initial-scale=1"' in html


def test_page__a_winner__is_told_in_figures_that_do_not_break() -> None:
    page = page_of(a_winner())
    purchase, tickets, revenue, seconds = page.metrics
    row = purchase.rows[1]
    assert (row.name, row.difference) == ("Continue to delivery", "+3.1\u202fpp*")
    assert row.interval == "+0.8 to +5.4\u202fpp"
    assert "took 17.4\u202f% off the variance" in page.notes[0]
    assert page.notes[0] in "".join(Reader(report_html(a_winner())).texts)
    assert (row.p, row.reading, row.tone) == ("< 0.001", "better", "good")
    assert (tickets.rows[1].reading, tickets.beyond is not None) == ("safe", True)
    assert (revenue.rows[1].tone, seconds.rows[1].tone) == ("plain", "good")
    assert seconds.rows[1].difference == "\N{MINUS SIGN}1.90*"
    titles = [series.title for series in page.series]
    assert titles == ["Purchase: Continue to delivery minus control"]


def test_page__all_looks_have_less_in_common__that_stands_with_the_interval() -> None:
    less = a_comparison(running=Interval(low=0.0101, high=0.05))
    html = report_html(a_result(a_metric("purchase", less)))
    assert "all looks: +1.0 to +5.0\u202fpp" in "".join(Reader(html).texts)


def test_page__a_winner__lists_all_figures_of_each_comparison() -> None:
    told = dict(page_of(a_winner()).figures[0].facts)
    assert told["Without CUPED"] == "+3.2\u202fpp, +0.7 to +5.7\u202fpp"
    assert told["Common to all looks"] == "+0.8 to +5.7\u202fpp"
    assert told["Relative lift"] == "+25.7\u202f% (+6.5 to +48.6)"
    assert told["Smallest effect of interest"] == "+1\u202fpp"
    revenue = dict(page_of(a_winner()).figures[2].facts)
    assert revenue["Capped"] == "3 above 412.5"
    assert revenue["Relative lift"] == "the control is not clearly positive"


def test_page__blocked__shows_reasons_before_figures_and_concludes_nothing() -> None:
    page = page_of(blocked())
    assert [group.severity for group in page.first] == ["blocks", "warns"]
    assert "mobile" in page.first[0].notices[0].evidence
    readings = {row.reading for metric in page.metrics for row in metric.rows if row.strip}
    assert readings == {"no conclusion"}


def test_page__what_is_not_compared__has_its_reason_in_place_of_a_difference() -> None:
    control, row = page_of(uncompared()).metrics[0].rows
    assert (control.gate, row.gate) == ("", "not compared: nobody is there")
    assert row.strip is None
    assert row.gate in "".join(Reader(report_html(uncompared())).texts)


def test_page__findings_and_tooltips__have_names_and_no_keys() -> None:
    finding = replace(blocked().findings[1], metric="purchase", variant="next-step")
    page = page_of(replace(a_winner(), findings=(finding,)))
    assert page.first[0].notices[0].about == "Purchase, Continue to delivery"
    assert page.daily is not None
    told = {bar.text.partition(" in ")[2] for bar in page.daily.shares}
    assert told == {"Continue", "Continue to delivery"}


def test_page__gated__says_why_and_draws_nothing() -> None:
    page = page_of(preliminary())
    row = page.metrics[0].rows[1]
    assert (row.gate, row.strip) == ("needs 100 subjects in each arm", None)
    assert not page.metrics[0].is_drawn


def test_report_html__values_that_are_not_of_the_arms__stand_with_the_difference() -> None:
    comparison = a_comparison(
        control=Side(n=1_000, value=0.1316, variance=0.1, skewness=2.2),
        treatment=Side(n=3_187, value=0.1628, variance=0.1, skewness=1.8),
        values_are=(ValuesAre.ADJUSTED,),
    )
    texts = " ".join(Reader(report_html(a_result(a_metric("purchase", comparison)))).texts)
    assert texts.replace("\u202f", " ").count("16.3 % against 13.2 %, adjusted") == 2
