"""What activates a personalization for a subject."""

from typing import Final

from fairlot.engine import ActivationRule, ExperimentType
from fairlot.engine.checks import MAX_ACTIVATIONS
from fairlot.engine.history import MAX_WITHIN_MS
from fairlot.manifest.durations import Duration
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.event_rule_reader import EVENT_RULE_TABLE, read_event_rule
from fairlot.manifest.fields import Field, Fields, JsonSchema
from fairlot.manifest.names import Names
from fairlot.manifest.shapes import Part, Rate, Whole

DEFAULT_CONTROL_SHARE_BP: Final = 1000

WHEN: Final = Field(
    "when",
    Part(EVENT_RULE_TABLE),
    "What a subject does to get a variant; of a personalization only. Decided on the server.",
)
FOR: Final = Field(
    "for",
    Duration(MAX_WITHIN_MS),
    "How long the variant stays, as in 30m, 12h or 7d; for good without.",
)
LIMIT: Final = Field(
    "limit", Whole(1, MAX_ACTIVATIONS), "How often it is activated for one subject, at most."
)
CONTROL_SHARE: Final = Field(
    "controlShare",
    Rate(),
    "The part of those who did it that gets nothing, to compare with.",
    default=DEFAULT_CONTROL_SHARE_BP / 10_000,
)
ACTIVATION_FIELDS: Final = (WHEN, FOR, LIMIT, CONTROL_SHARE)
ACTIVATION_ALSO: Final[JsonSchema] = {
    "if": {
        "anyOf": [
            {"required": [field.name], "not": {"properties": {field.name: {"type": "null"}}}}
            for field in ACTIVATION_FIELDS
        ]
    },
    "then": {
        "required": ["when", "type"],
        "properties": {"type": {"const": ExperimentType.PERSONALIZATION.value}},
    },
}


def is_triggered(top: Fields) -> bool:
    return top.has(WHEN.name)


def read_activation(
    top: Fields, kind: ExperimentType, check: EngineCheck, names: Names
) -> ActivationRule | None:
    if not is_triggered(top):
        for field in (FOR, LIMIT, CONTROL_SHARE):
            if top.has(field.name):
                top.refuse(field.name, "only with `when`, what activates it; remove it")
    elif kind is not ExperimentType.PERSONALIZATION:
        top.refuse(WHEN.name, "only with `type: personalization`; write that, or remove it")
    when, for_ms, limit = top.read(WHEN), top.read(FOR), top.read(LIMIT)
    share_bp = top.read(CONTROL_SHARE)
    if when is None:
        return None
    return ActivationRule(
        read_event_rule(when, check, names),
        for_ms,
        limit,
        DEFAULT_CONTROL_SHARE_BP if share_bp is None else share_bp,
    )
