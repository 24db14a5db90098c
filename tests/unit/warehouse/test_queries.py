"""The rules of attribution, each by a case that is small enough to be computed by hand."""

import pytest

from fairlot.warehouse.queries import answer
from support.event_tables import (
    BOUGHT,
    DAY,
    MINUTE,
    ORDERS,
    REVENUE,
    VALUE,
    Events,
    of_arm,
    question,
)


def test_moments__two_arms__by_hand() -> None:
    # control buys for 10 and 30, for 20, for nothing: totals 40, 20, 0; blue: 7
    events = (
        Events()
        .exposed("a", "control")
        .exposed("b", "control")
        .exposed("c", "control")
        .exposed("d", "blue")
        .did("a", "purchase", MINUTE, 10)
        .did("a", "purchase", DAY, 30)
        .did("b", "purchase", DAY, 20)
        .did("d", "purchase", DAY, 7)
    )
    found = answer(events.in_duckdb(), question(BOUGHT, ORDERS, REVENUE, VALUE))
    control, blue = of_arm(found, "control"), of_arm(found, "blue")
    assert control.exposed == 3 and blue.exposed == 1
    revenue = control.metrics["revenue"].moments
    assert revenue.n == 3 and revenue.means == (20, 0, 1)
    # deviations 20, 0, -20
    assert revenue.products == (800, 0, 0, 0, 0, 0)
    assert revenue.cubes == (0,)
    assert control.metrics["bought"].moments.means[0] == pytest.approx(2 / 3)
    assert control.metrics["bought"].converted == 2
    assert control.metrics["orders"].moments.means[0] == 1
    # of sums 40, 20, 0 and counts 2, 1, 0: deviations 20, 0, -20 and 1, 0, -1
    value = control.metrics["value"].moments
    assert value.means == (20, 1, 0, 0, 1)
    assert value.products == (800, 40, 0, 0, 0, 2, *[0] * 9)
    assert blue.metrics["revenue"].moments.means == (7, 0, 1)
