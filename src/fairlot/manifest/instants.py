"""Points in time as text: RFC 3339 instants, times of day and weekdays."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})0*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_INSTANT_FIX: Final = "write an RFC 3339 instant with its offset, as in 2026-11-23T06:00:00Z"
_CLOCK_FIX: Final = "write a time of day, UTC, as in 09:00"


def read_instant(text: str) -> int:
    """Milliseconds since the epoch. Raises ValueError, also for more than three decimals."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(_INSTANT_FIX)
    *date_and_time, fraction, offset = match.groups()
    try:
        moment = datetime(*map(int, date_and_time), tzinfo=_zone(offset))  # type: ignore[misc,arg-type]
        whole = moment.astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(_INSTANT_FIX) from None
    return whole // _MILLISECOND + int((fraction or "").ljust(3, "0"))


def write_instant(instant_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=instant_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_clock(text: str) -> int:
    """Minutes since midnight of `HH:MM`. Raises ValueError."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(_CLOCK_FIX)
    return int(match[1]) * 60 + int(match[2])


def write_clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _zone(offset: str) -> timezone:
    if offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if minutes > 59:
        raise ValueError(offset)
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if offset[0] == "-" else distance)
