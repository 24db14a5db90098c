import pytest

from fairlot.cli.reporting.figures import (
    figures_of,
    length_text,
    level,
    moment_text,
    probability,
    share,
    signed_share,
    typeset,
)
from fairlot.stats.metrics import MetricKind
from fairlot.stats.results import Interval
from support.results import a_comparison, a_metric


def test_figures__a_rate__is_in_percent_with_two_digits_of_half_its_interval() -> None:
    comparison = a_comparison(
        estimate=-0.0082013, interval=Interval(low=-0.0160686, high=-0.000334)
    )
    figures = figures_of(a_metric("purchase", comparison))
    assert figures.value(0.1902013) == "19.02 %"
    assert figures.difference(comparison.estimate) == "-0.82 pp"
    assert figures.interval(comparison.interval) == "-1.61 to -0.03 pp"


def test_figures__a_sum__is_in_its_own_unit_with_thousands() -> None:
    comparison = a_comparison(estimate=1200, interval=Interval(low=-300, high=2700))
    figures = figures_of(a_metric("revenue", comparison, kind=MetricKind.SUM))
    assert figures.value(1_234_567.4) == "1,234,567"
    assert figures.difference(1200) == "+1,200"


@pytest.mark.parametrize("value", [0.0, -0.0, -0.0001])
def test_figures__what_rounds_to_nothing__has_no_sign(value: float) -> None:
    comparison = a_comparison(interval=Interval(low=-30, high=30))
    figures = figures_of(a_metric("revenue", comparison, kind=MetricKind.SUM))
    assert figures.difference(value) == "0"


def test_figures__1e18__is_written_with_an_exponent() -> None:
    comparison = a_comparison(interval=Interval(low=-1e18, high=1e18))
    figures = figures_of(a_metric("revenue", comparison, kind=MetricKind.SUM))
    assert figures.difference(1e18) == "+1e+18"


def test_figures__a_tick__has_no_digit_too_many() -> None:
    figures = figures_of(a_metric("purchase", a_comparison()))
    assert [figures.tick(each) for each in (-0.06, 0.0, 0.025)] == ["-6 pp", "0", "+2.5 pp"]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< 0.001"),
        (0.00099, "< 0.001"),
        (0.0351, "0.035"),
        (0.9995, "> 0.999"),
        (1, "> 0.999"),
    ],
)
def test_probability__at_its_ends__is_never_written_as_0_or_1(p: float, text: str) -> None:
    assert probability(p) == text


def test_shares__with_and_without_a_decimal__are_in_percent() -> None:
    assert (share(0.5), share(0.3337), signed_share(-0.0432), signed_share(0.0)) == (
        *("50 %", "33.4 %"),
        *("-4.3 %", "0.0 %"),
    )
    assert (level(0.05), level(0.025), level(0.05 / 3)) == ("95 %", "97.5 %", "98.33 %")


def test_moment__in_summer_and_in_winter__is_of_the_clock_there() -> None:
    assert moment_text(1_785_542_400_000, "Europe/Vienna") == "1 Aug 2026, 02:00"
    assert moment_text(1_795_867_200_000, "Europe/Vienna") == "28 Nov 2026, 13:00"


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (604_800_000, "7 days"),
        (86_400_000, "1 day"),
        (43_200_000, "12 hours"),
        (1_500, "1.5 seconds"),
    ],
)
def test_length__of_a_window__is_in_its_largest_unit(length_ms: int, text: str) -> None:
    assert length_text(length_ms) == text


def test_typeset__numbers__have_a_minus_and_keep_their_unit() -> None:
    assert typeset("next-step -0.8 to -0.3 pp, 95 % of 5 per") == (
        "next-step \N{MINUS SIGN}0.8 to \N{MINUS SIGN}0.3\N{NARROW NO-BREAK SPACE}pp,"
        " 95\N{NARROW NO-BREAK SPACE}% of 5 per"
    )
    assert typeset("variant-2 of 2026-11-28") == "variant-2 of 2026-11-28"
