"""Points in time as text: RFC 3339 instants, times of day and weekdays."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
INSTANT_PATTERN: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,3}0*)?(?:[Zz]|[+-]\d\d:[0-5]\d)",
    re.ASCII,
)
_TOO_FINE: Final = re.compile(r"(.+\.\d{3})\d+(\D.*)", re.ASCII)
CLOCK_PATTERN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_INSTANT_FIX: Final = "write an RFC 3339 instant with its offset, as in 2026-11-23T06:00:00Z"
_CLOCK_FIX: Final = "write a time of day, UTC, as in 09:00"


def read_instant(text: str) -> int:
    """Milliseconds since the epoch. Raises ValueError, also for more than three decimals, as
    Python's `isoformat()` writes them: what a file says is never rounded."""
    # The standard library alone would take half of ISO 8601.
    if INSTANT_PATTERN.fullmatch(text):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
            return (moment - _EPOCH) // _MILLISECOND
    too_fine = _TOO_FINE.fullmatch(text)
    if too_fine and INSTANT_PATTERN.fullmatch(cut := "".join(too_fine.groups())):
        raise ValueError(f"write at most three decimals of a second, as in {cut}")
    raise ValueError(_INSTANT_FIX)


def write_instant(instant_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=instant_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_clock(text: str) -> int:
    """Minutes since midnight of `HH:MM`. Raises ValueError."""
    match = CLOCK_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(_CLOCK_FIX)
    return int(match[1]) * 60 + int(match[2])


def write_clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
