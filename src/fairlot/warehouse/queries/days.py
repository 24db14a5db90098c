"""Days of the project, as arithmetic: the offsets from UTC that its time zone has in a range."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlot.warehouse.queries.errors import UnusableQuestion

DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def offsets_in(time_zone: str, from_ms: int, before_ms: int) -> list[tuple[int, int]]:
    """`(until_ms, offset_ms)`, ascending: which offset holds before which instant; the last holds
    to the end, and its instant is `before_ms`. Raises UnusableQuestion."""
    zone = _zone(time_zone)
    offsets: list[tuple[int, int]] = []
    at_ms, offset = from_ms, _offset_ms(zone, from_ms)
    while at_ms < before_ms:
        next_ms = min(at_ms + DAY_MS, before_ms)
        if _offset_ms(zone, next_ms) != offset:
            changed_ms = _change_between(zone, at_ms, next_ms)
            offsets.append((changed_ms, offset))
            at_ms, offset = changed_ms, _offset_ms(zone, changed_ms)
        else:
            at_ms = next_ms
    return [*offsets, (before_ms, offset)]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnusableQuestion(
            "timeZone", f"{name!r} is no time zone that is known here; write one as Europe/Berlin"
        ) from None


def _offset_ms(zone: ZoneInfo, at_ms: int) -> int:
    offset = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def _change_between(zone: ZoneInfo, from_ms: int, to_ms: int) -> int:
    """The first instant that has another offset than `from_ms`, to the millisecond."""
    before = _offset_ms(zone, from_ms)
    while to_ms - from_ms > 1:
        middle = (from_ms + to_ms) // 2
        if _offset_ms(zone, middle) == before:
            from_ms = middle
        else:
            to_ms = middle
    return to_ms
