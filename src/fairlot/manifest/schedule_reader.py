"""When an experiment is open."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fairlot.engine import Hours, Schedule
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.instants import (
    CLOCK_PATTERN,
    INSTANT_PATTERN,
    WEEKDAYS,
    read_clock,
    read_instant,
)
from fairlot.manifest.nodes import ListNode, Node, shown
from fairlot.manifest.shapes import Part, TextItem, Texts, read_text


@dataclass(frozen=True, slots=True)
class _Moment(Shape[int]):
    """A point in time as text, in the unit of `parse`, which raises ValueError."""

    parse: Callable[[str], int]
    pattern: re.Pattern[str]

    def read(self, fields: Fields, name: str, node: Node) -> int | None:
        text = read_text(fields, name, node)
        if text is None:
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            fields.refuse(name, str(error))
            return None

    def schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^(?:{self.pattern.pattern})$"}


class _Days(Texts):
    """Weekdays, one at least."""

    def read(self, fields: Fields, name: str, node: Node) -> tuple[TextItem, ...]:
        if isinstance(node, ListNode) and not node.items:
            fields.refuse(name, "name at least one day, or leave it out for every day")
        found = super().read(fields, name, node)
        for path, item, day in found:
            if day not in WEEKDAYS:
                fix = f"days are {', '.join(WEEKDAYS)}"
                fields.problems.add(item.line, path, shown(item), fix)
        return tuple(item for item in found if item.text in WEEKDAYS)

    def schema(self) -> JsonSchema:
        item = {"type": "string", "enum": [*WEEKDAYS]}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": self.most}


_INSTANT: Final = _Moment(read_instant, INSTANT_PATTERN)
_CLOCK: Final = _Moment(read_clock, CLOCK_PATTERN)

_START: Final = Field(
    "start", _INSTANT, "When it opens, with the offset, as in 2026-11-23T06:00:00Z."
)
_END: Final = Field("end", _INSTANT, "When it ends, with the offset; after start.")
_DAYS: Final = Field("days", _Days(50, 20), "On which days it is open, UTC; every day without.")
_FROM: Final = Field("from", _CLOCK, "When it opens, UTC, as in 09:00.", is_required=True)
_TO: Final = Field(
    "to", _CLOCK, "When it closes, UTC; before `from` it closes on the next day.", is_required=True
)
_HOURS_TABLE: Final = Table((_DAYS, _FROM, _TO))
_HOURS: Final = Field("hours", Part(_HOURS_TABLE), "When it is open on a day; all day without.")
_SCHEDULE_TABLE: Final = Table((_START, _END, _HOURS))
SCHEDULE: Final = Field("schedule", Part(_SCHEDULE_TABLE), "When it is open; always without.")


def read_schedule(top: Fields) -> Schedule | None:
    part = top.read(SCHEDULE)
    if part is None:
        return None
    start_ms, end_ms = part.read(_START), part.read(_END)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        part.refuse("end", "ends before it starts; put `end` after `start`")
    return Schedule(start_ms, end_ms, _read_hours(part))


def _read_hours(part: Fields) -> Hours | None:
    hours = part.read(_HOURS)
    if hours is None:
        return None
    days, start, end = hours.read(_DAYS), hours.read(_FROM), hours.read(_TO)
    if start is None or end is None:
        return None
    if start == end:
        hours.refuse("to", "the same as `from`; leave `hours` out if it is open all day")
        return None
    if days is None:
        return Hours(start, end)
    return Hours(start, end, frozenset(WEEKDAYS.index(day.text) + 1 for day in days))
