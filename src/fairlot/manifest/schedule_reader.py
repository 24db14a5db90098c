"""When an experiment is open."""

from collections.abc import Callable
from typing import Final

from fairlot.engine import Hours, Schedule
from fairlot.manifest.fields import Fields
from fairlot.manifest.instants import WEEKDAYS, read_clock, read_instant
from fairlot.manifest.nodes import ListNode, shown

SCHEDULE_FIELDS: Final = ("start", "end", "hours")
HOURS_FIELDS: Final = ("days", "from", "to")


def read_schedule(top: Fields) -> Schedule | None:
    part = top.fields("schedule", SCHEDULE_FIELDS)
    if part is None:
        return None
    start_ms, end_ms = _moment(part, "start", read_instant), _moment(part, "end", read_instant)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        part.refuse("end", "ends before it starts; put `end` after `start`")
    return Schedule(start_ms, end_ms, _read_hours(part))


def _read_hours(part: Fields) -> Hours | None:
    hours = part.fields("hours", HOURS_FIELDS)
    if hours is None:
        return None
    hours.require("from", "to")
    days = _read_days(hours)
    start, end = _moment(hours, "from", read_clock), _moment(hours, "to", read_clock)
    if start is None or end is None:
        return None
    if start == end:
        hours.refuse("to", "the same as `from`; leave `hours` out if it is open all day")
        return None
    return Hours(start, end, days)


def _read_days(hours: Fields) -> frozenset[int]:
    node = hours.node("days")
    if node is None:
        return frozenset(range(1, 8))
    if isinstance(node, ListNode) and not node.items:
        hours.refuse("days", "name at least one day, or leave it out for every day")
    days = set()
    for path, item, day in hours.item_texts("days"):
        if day in WEEKDAYS:
            days.add(WEEKDAYS.index(day) + 1)
        else:
            hours.problems.add(item.line, path, shown(item), f"days are {', '.join(WEEKDAYS)}")
    return frozenset(days)


def _moment(fields: Fields, name: str, read: Callable[[str], int]) -> int | None:
    text = fields.any_text(name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        fields.refuse(name, str(error))
        return None
