"""What a subject does, as files write it: an event, its properties, how often, and how lately."""

from collections.abc import Mapping
from typing import Any, Final

from fairlot.engine import EventRule
from fairlot.engine.history import MAX_COUNT, MAX_WITHIN_MS
from fairlot.manifest.durations import Duration
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.names import Names
from fairlot.manifest.rule_reader import Rule, RuleCheck
from fairlot.manifest.shapes import MAX_NAME_CHARS, Text, Whole

EVENT: Final = Field(
    "event", Text(MAX_NAME_CHARS), "The name of the event; case counts.", is_required=True
)
WHERE: Final = Field(
    "where",
    Rule(),
    "What the properties of the event must be, as in rules; whatever they are without.",
)
COUNT: Final = Field("count", Whole(1, MAX_COUNT), "How often, at least.", default=1)
WITHIN: Final = Field(
    "within",
    Duration(MAX_WITHIN_MS),
    "How long ago at most, as in 30m, 12h or 7d; 400 days without.",
)
EVENT_RULE_FIELDS: Final = (EVENT, WHERE, COUNT, WITHIN)
EVENT_RULE_TABLE: Final = Table(EVENT_RULE_FIELDS, "What a subject does.")


def read_event_rule(part: Fields, check: EngineCheck, names: Names) -> EventRule:
    """The rule whose fields are `part`; only worth using if nothing was added to the problems.

    `check` is that of the whole document.
    """
    return EventRule(
        event=part.read(EVENT) or "",
        where=_read_where(part, check, names) or {},
        count=part.read(COUNT) or 1,
        within_ms=part.read(WITHIN),
    )


def _read_where(part: Fields, check: EngineCheck, names: Names) -> Mapping[str, Any] | None:
    node, path = part.node(WHERE.name), part.at(WHERE.name)
    if node is not None:
        RuleCheck(part.problems, names).check(node, path)
    where = part.read(WHERE)
    if where is not None:
        check.check_condition(path, where)
    return where
