"""What the document of a property says of it."""

import re
from typing import Any, Final

from fairlot.engine import EventRule, Take
from fairlot.manifest.definitions import EventRuleDefinition
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.event_rule_reader import EVENT_RULE_TABLE, read_event_rule
from fairlot.manifest.fields import Field, Fields, JsonSchema
from fairlot.manifest.names import Names
from fairlot.manifest.shapes import Choice, Matching, Part

_PATH: Final = re.compile(r"[^\s.$][^\s.]*(?:\.[^\s.]+)*")
_PATH_FIX: Final = "write the path of a property of the event, as in page or cart.total"

_WHEN: Final = Field(
    "when",
    Part(EVENT_RULE_TABLE),
    "What a subject does; each time, a value is taken from the event.",
    is_required=True,
)
_VALUE: Final = Field(
    "value",
    Matching(_PATH, _PATH_FIX),
    "The path of the value in the properties of the event; none with `take: count`.",
)
_TAKE: Final = Field(
    "take",
    Choice(Take),
    "Which of the values stays: the last or first that happened, the highest or lowest number,"
    " their sum, or how many there were.",
    default=Take.LAST.value,
)
PROPERTY_FIELDS: Final = (_WHEN, _VALUE, _TAKE)
PROPERTY_ALSO: Final[JsonSchema] = {
    "if": {"required": ["take"], "properties": {"take": {"const": Take.COUNT.value}}},
    "then": {"properties": {"value": {"type": "null"}}},
    "else": {"required": ["value"], "properties": {"value": {"type": "string"}}},
}


def read_property_fields(top: Fields, names: Names) -> dict[str, Any]:
    """All of a definition but what every definition has."""
    when, value, take = top.read(_WHEN), top.read(_VALUE), top.read(_TAKE)
    if take is Take.COUNT and top.has(_VALUE.name):
        top.refuse(_VALUE.name, "not with `take: count`, which counts events; remove it")
    elif take is not Take.COUNT and not top.has(_VALUE.name):
        fix = "missing; write the path of a property of the event, or `take: count`"
        top.refuse(_VALUE.name, fix)
    check = EngineCheck(top.map, top.problems, names.lists)
    rule = EventRule("") if when is None else read_event_rule(when, check, names)
    return {
        "when": EventRuleDefinition(
            event=rule.event, where=rule.where, count=rule.count, within_ms=rule.within_ms
        ),
        "value": value,
        "take": take or Take.LAST,
    }
