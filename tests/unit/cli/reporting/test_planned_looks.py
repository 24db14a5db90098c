"""Of planned looks the words beside an interval, and the plots, say which one it is of."""

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fairlot.cli.reporting.page import page_of, report_html
from fairlot.cli.reporting.text import ReportStyle, report_text
from fairlot.stats.results import METHOD_NAMES, ExperimentResult, Method
from support.results import a_comparison, a_metric, a_result, a_winner, looks_of

DAILY = "the interval that of this moment"


def planned(method: Method, looks: int = 4) -> ExperimentResult:
    """The last look is of 27 Nov 2026, a day before the moment of the result."""
    taken = looks_of(0.0312, 0.0075, 6391)[-looks:]
    compared = a_comparison(
        method=METHOD_NAMES[method],
        looks=taken,
        interval=taken[-1].interval,
        running=taken[-1].running,
    )
    return a_result(a_metric("purchase", compared), method=method)


def in_terminal(result: ExperimentResult) -> str:
    return " ".join(report_text(result, ReportStyle(width=110, colour=False)).split())


def in_page(result: ExperimentResult) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", report_html(result)).replace("\u202f", " ").split())


@pytest.mark.parametrize("told", [in_terminal, in_page], ids=["terminal", "page"])
@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            planned(Method.GROUP_SEQUENTIAL),
            "difference and interval are those of the last of them, and subjects and values",
        ),
        (planned(Method.FIXED, 1), "Difference, interval and p are those of the planned look"),
    ],
    ids=["group sequential", "fixed"],
)
def test_report__planned_looks__names_the_one_that_the_interval_is_of(
    result: ExperimentResult, words: str, told: Callable[[ExperimentResult], str]
) -> None:
    text = told(result)
    assert "95 % intervals at the planned look of 27 Nov" in text
    assert words in text
    assert DAILY not in text
    assert "daily looks" not in text


def test_report_text__planned_looks__are_named_beside_the_plot() -> None:
    text = in_terminal(planned(Method.FIXED, 1))
    assert "Purchase, difference from control at the planned look of 27 Nov" in text


def test_page__planned_looks__are_what_the_plots_are_of() -> None:
    text = in_page(planned(Method.GROUP_SEQUENTIAL))
    assert "common to all planned looks" in text
    assert "interval at each of the planned looks" in text
    page = page_of(planned(Method.GROUP_SEQUENTIAL))
    assert page.series[0].description.startswith("4 planned looks until 27 Nov; ")
    assert dict(page.figures[0].facts)["95 % interval, planned look of 27 Nov"]
    assert "Common to all planned looks" in dict(page.figures[0].facts)


def test_page__one_planned_look__has_nothing_in_common_with_others() -> None:
    assert "common to all" not in in_page(planned(Method.FIXED, 1))


def test_report__variants_with_looks_of_other_days__names_both() -> None:
    """Each arm comes to the planned size on a day of its own."""
    result = planned(Method.FIXED, 1)
    (first,) = result.metrics[0].comparisons
    look = replace(first.looks[0], day=first.looks[0].day.replace(day=23))
    second = replace(first, variant="other", looks=(look,))
    metric = replace(result.metrics[0], comparisons=(first, second))
    text = in_terminal(replace(result, metrics=(metric,)))
    assert "95 % intervals at the planned looks of 23 Nov and 27 Nov" in text


@pytest.mark.parametrize("told", [in_terminal, in_page], ids=["terminal", "page"])
def test_report__daily_looks__have_the_interval_of_this_moment(
    told: Callable[[ExperimentResult], str],
) -> None:
    text = told(a_winner())
    assert DAILY in text
    assert "planned look" not in text


def test_page__daily_looks__are_called_so() -> None:
    assert "common to all daily looks" in in_page(a_winner())
