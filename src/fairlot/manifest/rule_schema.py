"""Rules as JSON Schema: which operators there are, what each takes, and what it means."""

from typing import Final, NamedTuple

from fairlot.engine.conditions import MAX_DEPTH
from fairlot.engine.operators import MAX_LIST_VALUES
from fairlot.engine.patterns import MAX_PATTERN_CHARS
from fairlot.manifest.fields import JsonSchema

RULE_SCHEMA: Final[JsonSchema] = {"$ref": "#/definitions/rule"}
_OPERAND: Final[JsonSchema] = {"$ref": "#/definitions/operand"}
_RULES: Final[JsonSchema] = {"type": "array", "items": RULE_SCHEMA}
_ANY: Final[JsonSchema] = {}
_LIST: Final[JsonSchema] = {"type": "array", "maxItems": MAX_LIST_VALUES}
_REGEX: Final[JsonSchema] = {"type": "string", "maxLength": MAX_PATTERN_CHARS}
_VERSION: Final[JsonSchema] = {"type": "string"}
_GROUP: Final[JsonSchema] = {"type": "string"}
_TYPES: Final = ["null", "boolean", "string", "number", "object", "array"]


class Operator(NamedTuple):
    takes: JsonSchema
    says: str


_LOGIC: Final = {
    "$and": Operator(_RULES, "All of these rules hold."),
    "$or": Operator(_RULES, "One of these rules holds, or there are none."),
    "$nor": Operator(_RULES, "None of these rules holds."),
    "$not": Operator(RULE_SCHEMA, "This rule does not hold."),
}
_COMPARISONS: Final = {
    "$eq": Operator(_ANY, "Equal, and of the same type."),
    "$ne": Operator(_ANY, "Not equal, or missing."),
    "$lt": Operator(_ANY, "Less: numbers among numbers, texts by code point."),
    "$lte": Operator(_ANY, "Less or equal."),
    "$gt": Operator(_ANY, "Greater: numbers among numbers, texts by code point."),
    "$gte": Operator(_ANY, "Greater or equal."),
    "$in": Operator(_LIST, "In the list; of a list attribute, one item is."),
    "$nin": Operator(_LIST, "Not in the list, or missing."),
    "$ini": Operator(_LIST, "In the list, in lower case."),
    "$nini": Operator(_LIST, "Not in the list, in lower case, or missing."),
    "$all": Operator(_LIST, "A list attribute has an item for each of these."),
    "$alli": Operator(_LIST, "A list attribute has an item for each of these, in lower case."),
    "$exists": Operator({"type": "boolean"}, "Whether it is there and not null."),
    "$type": Operator({"type": "string", "enum": _TYPES}, "Of this JSON type."),
    "$size": Operator(_OPERAND, "The length of a list attribute is, or satisfies, this."),
    "$elemMatch": Operator({"type": "object"}, "One item of a list attribute satisfies this."),
    "$regex": Operator(_REGEX, "The expression is found in the text."),
    "$regexi": Operator(_REGEX, "The expression is found in the text; case does not count."),
    "$notRegex": Operator(_REGEX, "The expression is not found, or there is no text."),
    "$notRegexi": Operator(_REGEX, "As $notRegex; case does not count."),
    "$veq": Operator(_VERSION, "The same version."),
    "$vne": Operator(_VERSION, "Another version, or missing."),
    "$vlt": Operator(_VERSION, "A lower version; a release comes after its pre-releases."),
    "$vlte": Operator(_VERSION, "A lower version, or the same."),
    "$vgt": Operator(_VERSION, "A higher version."),
    "$vgte": Operator(_VERSION, "A higher version, or the same."),
    "$inGroup": Operator(_GROUP, "Listed in the segment of this key; of a list, one item is."),
    "$notInGroup": Operator(_GROUP, "Not listed in the segment of this key."),
    "$not": Operator(_OPERAND, "The value does not satisfy this."),
}


def rule_definitions() -> dict[str, JsonSchema]:
    """What `RULE_SCHEMA` and the operands in it refer to."""
    return {
        "rule": {
            "description": "Attributes, by their paths, and what they must be; all must hold."
            f" Nested up to {MAX_DEPTH} deep.",
            "type": "object",
            "properties": _described(_LOGIC),
            "additionalProperties": _OPERAND,
            "propertyNames": {"anyOf": [{"pattern": "^[^$]"}, {"enum": [*_LOGIC]}]},
        },
        "operand": {
            "description": "A value to be equal to, or operators that must all hold.",
            "properties": _described(_COMPARISONS),
            "propertyNames": {"anyOf": [{"pattern": "^(?![$])"}, {"enum": [*_COMPARISONS]}]},
        },
    }


def _described(operators: dict[str, Operator]) -> JsonSchema:
    return {
        name: {"description": operator.says, "allOf": [operator.takes]}
        for name, operator in operators.items()
    }
