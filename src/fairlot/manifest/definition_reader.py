"""One YAML document of a layer, a segment, the holdout, a metric, a feed or a property."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fairlot.manifest.audience_reader import RULE, SEGMENTS, read_rule, read_segment_names
from fairlot.manifest.definitions import (
    Definition,
    DocumentKind,
    FeedDefinition,
    HistoryConditionDefinition,
    HoldoutDefinition,
    LayerDefinition,
    MetricDefinition,
    PropertyDefinition,
    SegmentDefinition,
)
from fairlot.manifest.document_kind import KIND
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.event_rule_reader import EVENT_RULE_FIELDS, read_event_rule
from fairlot.manifest.feed_reader import FEED_FIELDS, read_feed_fields
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.measure_reader import (
    MEASURE_FIELDS,
    METRIC_KIND_SAYS,
    measure_also,
    read_measure,
)
from fairlot.manifest.names import Names
from fairlot.manifest.nodes import MapNode, Node, Scalar, shown
from fairlot.manifest.problems import Problems
from fairlot.manifest.property_reader import PROPERTY_ALSO, PROPERTY_FIELDS, read_property_fields
from fairlot.manifest.shapes import (
    KEY_SHAPE,
    MAX_NAME_CHARS,
    MAX_PROSE_CHARS,
    SALT_SHAPE,
    Choice,
    Flag,
    Matching,
    Parts,
    Rate,
    Text,
    read_items,
)
from fairlot.stats.metrics import MetricKind

MAX_VALUES: Final = 50_000
MAX_VALUE_CHARS: Final = 400
MAX_PUBLIC_VALUES: Final = 500
MAX_CONDITIONS: Final = 20

_ATTRIBUTE_PATTERN: Final = re.compile(r"(?!account(?:\.|$))[^\s.$][^\s.]*(?:\.[^\s.]+)*")
_ATTRIBUTE_FIX: Final = (
    "write the path of an attribute, as in plan or company.id; one of the account is looked up by"
    " a rule, as in account.id: {$inGroup: key}"
)
_VALUE_FIX: Final = f"a value is a text of 1 to {MAX_VALUE_CHARS} characters, or a number"
_HASHED_FIX: Final = (
    "a number is not hashed; quote it if the attribute is a text, or write `public: true` if"
    " everybody may read the list"
)


class _Values(Shape[tuple[tuple[str, Node], ...]]):
    """The members of a list; each item with its path."""

    def read(self, fields: Fields, name: str, node: Node) -> tuple[tuple[str, Node], ...]:
        return tuple(read_items(fields, name, node, MAX_VALUES))

    def schema(self) -> JsonSchema:
        item = {"type": ["string", "number"], "minLength": 1, "maxLength": MAX_VALUE_CHARS}
        return {"type": "array", "items": item, "maxItems": MAX_VALUES}


_KEY: Final = Field(
    "key", KEY_SHAPE, "The name by which experiments know it; for ever.", is_required=True
)
_NAME: Final = Field("name", Text(MAX_NAME_CHARS), "For people; the key without it.")
_DESCRIPTION: Final = Field("description", Text(MAX_PROSE_CHARS), "For people; never published.")
_COMMON: Final = (KIND, _KEY, _NAME, _DESCRIPTION)

_LAYER_SALT: Final = Field(
    "salt", SALT_SHAPE, "What is hashed with the subject; another one deals the layer anew."
)
_HOLDOUT_SALT: Final = Field(
    "salt", SALT_SHAPE, "What is hashed with the subject; another one holds others."
)
_RATE: Final = Field(
    "rate",
    Rate(),
    "The part of all subjects that is held, from 0 to 1 with up to four decimals.",
    is_required=True,
)
_TYPE: Final = Field("type", Choice(MetricKind), METRIC_KIND_SAYS, is_required=True)
_VALUES: Final = Field(
    "values",
    _Values(),
    "Makes it a list: texts that are looked up; numbers too, if it is public.",
)
_ATTRIBUTE: Final = Field(
    "attribute",
    Matching(_ATTRIBUTE_PATTERN, _ATTRIBUTE_FIX),
    "The path whose value is looked up when an audience names the list; the subject id without it.",
)
_PUBLIC: Final = Field(
    "public",
    Flag(),
    "Whether everybody may read the values in the manifest; they are hashed otherwise.",
    default=False,
)
_PERFORMED: Final = Field(
    "performed",
    Flag(),
    "Whether the subject did it; false: did not, or not so often.",
    default=True,
)
_CONDITION_TABLE: Final = Table(
    (*EVENT_RULE_FIELDS, _PERFORMED), "A condition on what a subject did."
)
_HISTORY: Final = Field(
    "history",
    Parts(_CONDITION_TABLE, MAX_CONDITIONS),
    "What the subject did or did not; all must hold. Decided on the server.",
)
_VALUES_SALT: Final = Field("salt", SALT_SHAPE, "What is hashed with each value.")

_LAYER_TABLE: Final = Table((*_COMMON, _LAYER_SALT), "A layer.")
_HOLDOUT_TABLE: Final = Table((*_COMMON, _RATE, _HOLDOUT_SALT), "The holdout of the project.")
_METRIC_TABLE: Final = Table(
    (*_COMMON, _TYPE, *MEASURE_FIELDS), "A metric.", also={"allOf": measure_also(_TYPE.name)}
)
_NOT_OF_LISTS: Final = ("rule", "history", "segments")
_FEED_TABLE: Final = Table((*_COMMON, *FEED_FIELDS), "A feed: a list of products.")
_PROPERTY_TABLE: Final = Table(
    (*_COMMON, *PROPERTY_FIELDS),
    "A property: a value of a subject, of its events.",
    also=PROPERTY_ALSO,
)
_ABSENT: Final[JsonSchema] = {"type": "null"}
_SEGMENT_TABLE: Final = Table(
    (*_COMMON, RULE, _HISTORY, SEGMENTS, _VALUES, _ATTRIBUTE, _PUBLIC, _VALUES_SALT),
    "A segment: a rule, a history, other segments, or more than one of these; or a list.",
    also={
        "if": {"required": ["values"], "properties": {"values": {"type": "array"}}},
        "then": {"properties": dict.fromkeys(_NOT_OF_LISTS, _ABSENT)},
        "else": {
            "anyOf": [{"required": [name]} for name in _NOT_OF_LISTS],
            "properties": dict.fromkeys(("attribute", "public", "salt"), _ABSENT),
        },
    },
)


DEFINITION_TABLES: Final[Mapping[DocumentKind, Table]] = {
    DocumentKind.LAYER: _LAYER_TABLE,
    DocumentKind.SEGMENT: _SEGMENT_TABLE,
    DocumentKind.HOLDOUT: _HOLDOUT_TABLE,
    DocumentKind.METRIC: _METRIC_TABLE,
    DocumentKind.FEED: _FEED_TABLE,
    DocumentKind.PROPERTY: _PROPERTY_TABLE,
}


def read_definition(
    kind: DocumentKind, root: MapNode, problems: Problems, names: Names
) -> Definition:
    """The definition at `root`; only worth using if nothing was added to the problems."""
    return _READERS[kind](Fields(root, "", problems, DEFINITION_TABLES[kind]), names)


def _read_common(top: Fields) -> Mapping[str, Any]:
    key = top.read(_KEY) or ""
    return {
        "key": key,
        "name": top.read(_NAME) or key,
        "description": top.read(_DESCRIPTION),
    }


def _read_layer(top: Fields, names: Names) -> LayerDefinition:
    return LayerDefinition(**_read_common(top), salt=top.read(_LAYER_SALT))


def _read_holdout(top: Fields, names: Names) -> HoldoutDefinition:
    rate_bp, salt = top.read(_RATE) or 0, top.read(_HOLDOUT_SALT)
    return HoldoutDefinition(**_read_common(top), rate_bp=rate_bp, salt=salt)


def _read_metric(top: Fields, names: Names) -> MetricDefinition:
    kind = top.read(_TYPE) or MetricKind.CONVERSION
    return MetricDefinition(**_read_common(top), type=kind, **read_measure(top, names, kind))


def _read_feed(top: Fields, names: Names) -> FeedDefinition:
    common = _read_common(top)
    return FeedDefinition(**common, **read_feed_fields(top, names, common["key"]))


def _read_property(top: Fields, names: Names) -> PropertyDefinition:
    return PropertyDefinition(**_read_common(top), **read_property_fields(top, names))


def _read_segment(top: Fields, names: Names) -> SegmentDefinition:
    if top.has(_VALUES.name):
        return _read_list_segment(top)
    for field in (_ATTRIBUTE, _PUBLIC, _VALUES_SALT):
        if top.has(field.name):
            top.refuse(field.name, "for a list of `values` only; remove it")
    if not any(top.has(name) for name in _NOT_OF_LISTS):
        fix = "missing; a segment has a rule, a history, segments, or a list of values"
        top.refuse(RULE.name, fix)
    rule, check = read_rule(top, names), EngineCheck(top.map, top.problems, names.lists)
    if rule is not None:
        check.check_rule(RULE.name, rule)
    return SegmentDefinition(
        **_read_common(top),
        rule=rule,
        history=_read_history(top, check, names),
        segments=read_segment_names(top, names.segments),
    )


def _read_history(
    top: Fields, check: EngineCheck, names: Names
) -> tuple[HistoryConditionDefinition, ...]:
    written = top.read(_HISTORY)
    if written == () and not top.problems.under(_HISTORY.name):
        top.refuse(_HISTORY.name, "empty; write a condition, as in [{event: order}]")
    return tuple(_read_condition(part, check, names) for part in written or ())


def _read_condition(part: Fields, check: EngineCheck, names: Names) -> HistoryConditionDefinition:
    rule, performed = read_event_rule(part, check, names), part.read(_PERFORMED)
    return HistoryConditionDefinition(
        event=rule.event,
        where=rule.where,
        count=rule.count,
        within_ms=rule.within_ms,
        performed=performed is not False,
    )


def _read_list_segment(top: Fields) -> SegmentDefinition:
    for field in (RULE, _HISTORY, SEGMENTS):
        if top.has(field.name):
            fix = "not beside `values`; write a segment with the rule that names this list"
            top.refuse(field.name, fix)
    is_public = top.read(_PUBLIC) or False
    return SegmentDefinition(
        **_read_common(top),
        values=_read_values(top, is_public=is_public),
        attribute=top.read(_ATTRIBUTE),
        is_public=is_public,
        salt=top.read(_VALUES_SALT),
    )


def _read_values(top: Fields, *, is_public: bool) -> tuple[str | int | float, ...]:
    items = top.read(_VALUES) or ()
    if is_public and len(items) > MAX_PUBLIC_VALUES:
        fix = f"{len(items)} items; use at most {MAX_PUBLIC_VALUES}, or leave out `public`"
        top.refuse(_VALUES.name, fix)
    values: list[Any] = []
    for path, item in items:
        value = item.value if isinstance(item, Scalar) else None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_text = isinstance(value, str) and 0 < len(value) <= MAX_VALUE_CHARS
        if is_text or (is_number and is_public):
            values.append(value)
        else:
            fix = _HASHED_FIX if is_number else _VALUE_FIX
            top.problems.add(item.line, path, shown(item), fix)
    return tuple(values)


_READERS: Final[Mapping[DocumentKind, Callable[[Fields, Names], Definition]]] = {
    DocumentKind.LAYER: _read_layer,
    DocumentKind.SEGMENT: _read_segment,
    DocumentKind.HOLDOUT: _read_holdout,
    DocumentKind.METRIC: _read_metric,
    DocumentKind.FEED: _read_feed,
    DocumentKind.PROPERTY: _read_property,
}
