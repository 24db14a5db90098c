"""One YAML document of a layer, a segment, the holdout or a metric."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.engine.hashing import SALT_PATTERN
from fairlot.manifest.audience_reader import read_segment_names
from fairlot.manifest.definitions import (
    Definition,
    DocumentKind,
    HoldoutDefinition,
    LayerDefinition,
    MetricDefinition,
    MetricType,
    SegmentDefinition,
)
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.fields import KEY_FIX, MAX_PROSE_CHARS, SALT_FIX, Fields
from fairlot.manifest.names import Names
from fairlot.manifest.nodes import MapNode, Scalar, shown
from fairlot.manifest.problems import Problems
from fairlot.manifest.rule_reader import RuleCheck

_COMMON: Final = ("kind", "key", "name", "description")
LAYER_DOCUMENT_FIELDS: Final = (*_COMMON, "salt")
SEGMENT_FIELDS: Final = (*_COMMON, "rule", "segments", "values", "attribute", "public", "salt")
HOLDOUT_FIELDS: Final = (*_COMMON, "rate", "salt")
METRIC_DOCUMENT_FIELDS: Final = (*_COMMON, "type", "eventName")

MAX_NAME_CHARS: Final = 200
MAX_VALUES: Final = 50_000
MAX_VALUE_CHARS: Final = 400
MAX_PUBLIC_VALUES: Final = 500

_ATTRIBUTE: Final = re.compile(r"(?!account(?:\.|$))[^\s.$][^\s.]*(?:\.[^\s.]+)*")
_ATTRIBUTE_FIX: Final = (
    "write the path of an attribute, as in plan or company.id; one of the account is looked up by"
    " a rule, as in account.id: {$inGroup: key}"
)

_VALUE_FIX: Final = f"a value is a text of 1 to {MAX_VALUE_CHARS} characters, or a number"
_HASHED_FIX: Final = (
    "a number is not hashed; quote it if the attribute is a text, or write `public: true` if"
    " everybody may read the list"
)


def read_definition(
    kind: DocumentKind, root: MapNode, problems: Problems, names: Names
) -> Definition:
    """The definition at `root`; only worth using if nothing was added to the problems."""
    fields, read = _READERS[kind]
    return read(Fields(root, "", problems, fields), names)


def _common(top: Fields) -> Mapping[str, Any]:
    top.require("key")
    key = top.matching("key", EXPERIMENT_KEY, KEY_FIX) or ""
    return {
        "key": key,
        "name": top.text("name", most=MAX_NAME_CHARS) or key,
        "description": top.text("description", most=MAX_PROSE_CHARS),
    }


def _salt(top: Fields) -> str | None:
    return top.matching("salt", SALT_PATTERN, SALT_FIX)


def _read_layer(top: Fields, names: Names) -> LayerDefinition:
    return LayerDefinition(**_common(top), salt=_salt(top))


def _read_holdout(top: Fields, names: Names) -> HoldoutDefinition:
    top.require("rate")
    return HoldoutDefinition(**_common(top), rate_bp=top.rate_bp("rate") or 0, salt=_salt(top))


def _read_metric(top: Fields, names: Names) -> MetricDefinition:
    top.require("type", "eventName")
    return MetricDefinition(
        **_common(top),
        type=top.choice("type", MetricType) or MetricType.CONVERSION,
        event_name=top.text("eventName", most=MAX_NAME_CHARS) or "",
    )


def _read_segment(top: Fields, names: Names) -> SegmentDefinition:
    if top.has("values"):
        return _read_list_segment(top)
    for name in ("attribute", "public", "salt"):
        if top.has(name):
            top.refuse(name, "for a list of `values` only; remove it")
    if not top.has("rule") and not top.has("segments"):
        top.refuse("rule", "missing; a segment has a rule, segments, or a list of values")
    rule_node = top.node("rule")
    if rule_node is not None:
        RuleCheck(top.problems, names).check(rule_node, "rule")
    rule = top.json_object("rule")
    if rule is not None:
        EngineCheck(top.map, top.problems, names.lists).check_rule("rule", rule)
    segments = read_segment_names(top, names.segments)
    return SegmentDefinition(**_common(top), rule=rule, segments=segments)


def _read_list_segment(top: Fields) -> SegmentDefinition:
    for name in ("rule", "segments"):
        if top.has(name):
            fix = "not beside `values`; write a segment with the rule that names this list"
            top.refuse(name, fix)
    is_public = top.flag("public") or False
    return SegmentDefinition(
        **_common(top),
        values=_read_values(top, is_public=is_public),
        attribute=top.matching("attribute", _ATTRIBUTE, _ATTRIBUTE_FIX),
        is_public=is_public,
        salt=_salt(top),
    )


def _read_values(top: Fields, *, is_public: bool) -> tuple[str | int | float, ...]:
    items = list(top.items("values"))
    most = MAX_PUBLIC_VALUES if is_public else MAX_VALUES
    if len(items) > most:
        fix = "; without `public` it may hold more" if is_public else "; split the segment"
        top.refuse("values", f"{len(items)} values; use at most {most}{fix}")
        return ()
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


_READERS: Final[
    Mapping[DocumentKind, tuple[tuple[str, ...], Callable[[Fields, Names], Definition]]]
] = {
    DocumentKind.LAYER: (LAYER_DOCUMENT_FIELDS, _read_layer),
    DocumentKind.SEGMENT: (SEGMENT_FIELDS, _read_segment),
    DocumentKind.HOLDOUT: (HOLDOUT_FIELDS, _read_holdout),
    DocumentKind.METRIC: (METRIC_DOCUMENT_FIELDS, _read_metric),
}
