"""Days of a project, also where clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fairlot.stats.closes import closes_of, end_of_day_ms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BERLIN = "Europe/Berlin"
SPRING = date(2026, 3, 29)
"""A day of 23 hours in Berlin: 02:00 is 03:00."""


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_end_of_day__clocks_change__has_23_or_25_hours() -> None:
    zone = ZoneInfo(BERLIN)
    assert end_of_day_ms(SPRING, zone) == ms(2026, 3, 29, 22)
    assert end_of_day_ms(SPRING - timedelta(days=1), zone) == ms(2026, 3, 28, 23)
    assert end_of_day_ms(date(2026, 10, 25), zone) == ms(2026, 10, 25, 23)


def test_closes__window_of_a_day_over_the_short_day__is_a_day_later() -> None:
    """Whoever was exposed on the 28th has matured on the 29th at 23:00 UTC at the latest, which is
    an hour into the 30th in Berlin."""
    days = [SPRING - timedelta(days=1), SPRING]
    found = closes_of(days, DAY_MS, ms(2026, 4, 9), BERLIN)
    assert found == {days[0]: date(2026, 3, 30), days[1]: date(2026, 3, 30)}


def test_closes__of_hours__are_on_the_next_day() -> None:
    found = closes_of([date(2026, 5, 1)], 12 * HOUR_MS, ms(2026, 5, 3), "UTC")
    assert found == {date(2026, 5, 1): date(2026, 5, 2)}


def test_closes__before_the_day_is_over__are_none() -> None:
    days = [date(2026, 5, 1), date(2026, 5, 2)]
    assert closes_of(days, DAY_MS, ms(2026, 5, 3) - 1, "UTC") == {}
    assert closes_of(days, DAY_MS, ms(2026, 5, 3), "UTC") == {days[0]: date(2026, 5, 2)}
