"""The days of a project: when each ends, and which exposure days a daily close covers."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of_day_ms(day: date, zone: ZoneInfo) -> int:
    """The first millisecond after it: where clocks change, a day has 23 or 25 hours."""
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return int(midnight.timestamp() * 1000)


def day_of(moment_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(moment_ms / 1000, tz=zone).date()


def closes_of(
    days: Iterable[date], window_ms: int, as_of_ms: int, time_zone: str
) -> dict[date, date]:
    """For each exposure day all of whose subjects have matured by a daily close until `as_of_ms`:
    the first such close. Rising."""
    zone = ZoneInfo(time_zone)
    found: dict[date, date] = {}
    for day in sorted(days):
        matured_ms = end_of_day_ms(day, zone) + window_ms
        close = day_of(matured_ms - 1, zone)
        if end_of_day_ms(close, zone) <= as_of_ms:
            found[day] = close
    return found
