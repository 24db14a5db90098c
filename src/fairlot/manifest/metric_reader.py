"""The metrics of an experiment: written in place, or named where the project defines them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fairlot.manifest.definitions import MetricDefinition, definition_to_json
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.measure_reader import (
    MARGIN,
    MEASURE_FIELDS,
    METRIC_KIND_SAYS,
    MINIMUM_EFFECT,
    measure_also,
    read_measure,
)
from fairlot.manifest.names import Names, unknown_name
from fairlot.manifest.nodes import MapNode, Node, Scalar, shown, shown_value
from fairlot.manifest.problems import Problems
from fairlot.manifest.shapes import KEY_SHAPE, MAX_NAME_CHARS, Choice, Flag, Text, read_items
from fairlot.stats.metrics import MetricKind

MAX_METRICS: Final = 50

_KEY: Final = Field("key", KEY_SHAPE, "The name of the metric.", is_required=True)
_NAME: Final = Field("name", Text(MAX_NAME_CHARS), "For people; the key without it.")
_KIND: Final = Field("kind", Choice(MetricKind), METRIC_KIND_SAYS, is_required=True)
_IS_PRIMARY: Final = Field(
    "isPrimary",
    Flag(),
    "Whether the verdict rests on it; if on none, it does on the first that is no guardrail.",
    default=False,
)
_IS_GUARDRAIL: Final = Field(
    "isGuardrail",
    Flag(),
    "Whether it only has to get worse by no more than its margin.",
    default=False,
)
_ROLE_FIELDS: Final = (_IS_PRIMARY, _IS_GUARDRAIL)
_METRIC: Final = Field("metric", Text(64), "The key of a metric of the project.", is_required=True)
_GUARDRAILS_HAVE_MARGINS: Final[JsonSchema] = {
    "if": {"required": ["isGuardrail"], "properties": {"isGuardrail": {"const": True}}},
    "then": {"required": [MARGIN.name]},
}
_INLINE_METRIC_TABLE: Final = Table(
    (_KEY, _NAME, _KIND, *MEASURE_FIELDS, *_ROLE_FIELDS),
    "A metric written in place.",
    also={"allOf": [*measure_also(_KIND.name), _GUARDRAILS_HAVE_MARGINS]},
)
_NAMED_METRIC_TABLE: Final = Table(
    (_METRIC, *_ROLE_FIELDS, MINIMUM_EFFECT, MARGIN),
    "A metric of the project; what is written of it here counts here.",
)


class _Metrics(Shape[tuple[tuple[str, Node], ...]]):
    """A list of up to 50; each item with its path."""

    def read(self, fields: Fields, name: str, node: Node) -> tuple[tuple[str, Node], ...]:
        return tuple(read_items(fields, name, node, MAX_METRICS))

    def schema(self) -> JsonSchema:
        key = _METRIC.shape.schema() | {"description": _METRIC.says}
        tables = (_NAMED_METRIC_TABLE, _INLINE_METRIC_TABLE)
        forms = [key, *(table.schema() for table in tables)]
        return {"type": "array", "items": {"anyOf": forms}, "maxItems": MAX_METRICS}


METRICS: Final = Field(
    "metrics", _Metrics(), "What is measured: keys of metrics, or metrics written in place."
)


def read_metrics(top: Fields, names: Names) -> tuple[Mapping[str, Any], ...]:
    metrics: dict[str, Mapping[str, Any]] = {}
    for path, item in top.read(METRICS) or ():
        name, metric = _read_metric(path, item, top.problems, names)
        key = metric.get(name)
        if key in metrics:
            line = item.key_lines[name] if isinstance(item, MapNode) else item.line
            at = f"{path}.{name}" if isinstance(item, MapNode) else path
            top.problems.add(line, at, shown_value(key), "each metric has its own key")
        elif key is not None:
            metrics[key] = metric
    return tuple(metrics.values())


def _read_metric(
    path: str, item: Node, problems: Problems, names: Names
) -> tuple[str, Mapping[str, Any]]:
    """The field that has the key of a metric, and all of its fields; none if it is none."""
    if isinstance(item, MapNode):
        if _METRIC.name in item.entries:
            return "metric", _read_named(Fields(item, path, problems, _NAMED_METRIC_TABLE), names)
        return "key", _read_inline(Fields(item, path, problems, _INLINE_METRIC_TABLE), names)
    if isinstance(item, Scalar) and isinstance(item.value, str):
        if item.value not in names.metrics:
            fix = unknown_name("metric", item.value, names.metrics)
            problems.add(item.line, path, shown(item), fix)
        return "metric", {"metric": item.value, "isPrimary": False}
    fix = "write the key of a metric, or a mapping of fields, as in {metric: key, isPrimary: true}"
    problems.add(item.line, path, shown(item), fix)
    return "metric", {}


def _read_named(fields: Fields, names: Names) -> Mapping[str, Any]:
    key = fields.read(_METRIC)
    if key is not None and key not in names.metrics:
        fields.refuse("metric", unknown_name("metric", key, names.metrics))
    has_margin = fields.has(MARGIN.name) or names.metrics.get(key or "", True)
    given = {
        field.name: value
        for field in (MINIMUM_EFFECT, MARGIN)
        if (value := fields.read(field)) is not None
    }
    return {"metric": key, **given, **_read_role(fields, has_margin=has_margin)}


def _read_inline(fields: Fields, names: Names) -> Mapping[str, Any]:
    key, kind = fields.read(_KEY) or "", fields.read(_KIND) or MetricKind.CONVERSION
    name = fields.read(_NAME) or key
    metric = MetricDefinition(key=key, name=name, type=kind, **read_measure(fields, names, kind))
    written = msgspec.json.decode(definition_to_json(metric))
    written = {name: value for name, value in written.items() if name not in ("kind", "type")}
    role = _read_role(fields, has_margin=metric.margin is not None)
    return {"key": written.pop("key"), "name": written.pop("name"), "kind": kind.value} | (
        written | dict(role)
    )


def _read_role(fields: Fields, *, has_margin: bool) -> Mapping[str, Any]:
    is_primary = fields.read(_IS_PRIMARY) or False
    is_guardrail = fields.read(_IS_GUARDRAIL) or False
    if is_primary and is_guardrail:
        fields.refuse(_IS_GUARDRAIL.name, "a primary metric is no guardrail; keep one of the two")
    elif is_guardrail and not has_margin and not fields.problems.under(fields.at(MARGIN.name)):
        fix = "missing; say the largest worsening that is tolerated, in the metric's unit"
        fields.refuse(MARGIN.name, fix)
    return {"isPrimary": is_primary, **({"isGuardrail": True} if is_guardrail else {})}
