from datetime import date

import pytest

from fairlot.cli.reporting.charts import beyond_of, colour_of, daily_of, series_of, strip_of
from fairlot.cli.reporting.figures import figures_of
from fairlot.cli.reporting.scales import Scale, round_up, scale_of, ticks_of
from fairlot.stats.metrics import Direction
from fairlot.stats.results import Interval, Look
from support.results import a_comparison, a_metric, an_arm


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.054, 0.06), (0.06, 0.06), (1.01, 1.5), (9, 10), (1e12, 1e12)]
)
def test_round_up__a_length__is_the_next_round_one(value: float, rounded: float) -> None:
    assert round_up(value) == pytest.approx(rounded)


def test_ticks__of_a_range__are_round_and_inside() -> None:
    assert ticks_of(-4.4, 12.7, 6) == [0, 5, 10]
    assert ticks_of(0.011, 0.031, 5) == pytest.approx([0.015, 0.02, 0.025, 0.03])


def test_scale__of_a_metric__has_zero_in_the_middle_and_room_beyond_the_margin() -> None:
    comparison = a_comparison(interval=Interval(low=-0.01, high=0.004))
    assert scale_of(a_metric("tickets", comparison)) == Scale(-0.01, 0.01)
    assert scale_of(a_metric("tickets", comparison, margin=0.02)).high == pytest.approx(0.03)


def test_scale__gated_comparisons_only__is_any() -> None:
    gated = a_comparison(is_gated=True, interval=Interval(low=-1e9, high=1e9))
    assert scale_of(a_metric("purchase", gated)) == Scale(-1, 1)


def test_strip__an_interval__is_in_thousandths_of_the_scale() -> None:
    comparison = a_comparison(estimate=0.01, interval=Interval(low=-0.02, high=0.04))
    strip = strip_of(comparison, Scale(-0.04, 0.04))
    assert (strip.low, strip.point, strip.high) == (250, 625, 1000)


def test_strip__what_all_looks_have_in_common__is_in_it() -> None:
    interval, running = Interval(low=-0.02, high=0.04), Interval(low=0.0, high=0.02)
    strip = strip_of(a_comparison(interval=interval, running=running), Scale(-0.04, 0.04))
    assert strip.common is not None
    assert (strip.common.x, strip.common.width) == (500, 250)
    assert strip_of(a_comparison(interval=interval), Scale(-0.04, 0.04)).common is None


def test_beyond__a_margin__is_on_the_side_that_is_worse() -> None:
    fewer = a_metric("tickets", margin=0.02, direction=Direction.DECREASE)
    more = a_metric("revenue", margin=0.02, direction=Direction.INCREASE)
    found = [beyond_of(metric, Scale(-0.04, 0.04)) for metric in (fewer, more)]
    assert [(span.x, span.width) for span in found if span] == [(750, 250), (0, 250)]


def a_look(day: int, low: float, high: float, running: Interval | None) -> Look:
    return Look(
        day=date(2026, 11, day),
        n=100 * day,
        estimate=(low + high) / 2,
        interval=Interval(low=low, high=high),
        p=0.5,
        running=running,
    )


def test_series__one_look__is_none() -> None:
    comparison = a_comparison(looks=(a_look(1, -1, 1, None),))
    assert series_of("", comparison, figures_of(a_metric("x", comparison))) is None


def test_series__looks__go_from_edge_to_edge_and_wide_early_ones_do_not_flatten_the_rest() -> None:
    both = Interval(low=-0.01, high=0.03)
    looks = (a_look(1, -50, 50, Interval(low=-50, high=50)), a_look(3, -0.01, 0.03, both))
    series = series_of("", a_comparison(looks=looks), figures_of(a_metric()))
    assert series is not None
    # The scale is -0.01 to 0.03 and a twentieth of air at both ends: 0.044 long.
    assert series.last_x == 1000
    assert series.last_y == pytest.approx(1000 * 0.022 / 0.044)
    assert series.zero == pytest.approx(1000 * 0.032 / 0.044, abs=0.1)
    assert series.band.startswith("M0.0 -1000.0L1000.0 ")
    assert [each.text for each in series.dates] == ["1 Nov", "2 Nov", "3 Nov"]


def test_series__an_empty_intersection__ends_the_common_band() -> None:
    common = Interval(low=0.0, high=0.01)
    looks = (a_look(1, 0, 0.01, common), a_look(2, 0, 0.01, common), a_look(3, 0.02, 0.03, None))
    series = series_of("", a_comparison(looks=looks), figures_of(a_metric()))
    assert series is not None
    assert series.running.count("1000.0 ") == 0
    assert series.band.count("L1000.0 ") == 2


def test_daily__two_days__stacks_the_arms_from_the_bottom() -> None:
    days = (date(2026, 11, 1), date(2026, 11, 3))
    control = an_arm("control", 0, share=0.7, daily={days[0]: 30, days[1]: 10})
    variant = an_arm("next", 0, share=0.3, daily={days[0]: 10})
    daily = daily_of((control, variant), {"next": "The next one"})
    assert daily is not None
    first, above, alone = daily.shares
    assert (first.y, first.height, above.y, above.height) == (250, 750, 0, 250)
    assert (alone.y, alone.height) == (0, 1000)
    assert [bar.height for bar in daily.volumes] == [1000, 0, 250]
    assert daily.due == pytest.approx((300,))
    assert first.text == "1 Nov: 30 of 40 in control"
    assert above.text == "1 Nov: 10 of 40 in The next one"


def test_daily__nobody__is_none() -> None:
    assert daily_of((an_arm("control", 0, daily={}),), {}) is None


def test_colours__of_many_arms__begin_again_without_the_controls() -> None:
    assert [colour_of(number) for number in (0, 1, 7, 8, 14, 15)] == [0, 1, 7, 1, 7, 1]
