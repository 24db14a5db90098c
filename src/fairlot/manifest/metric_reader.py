"""The metrics of an experiment: written in place, or named where the project defines them."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from fairlot.manifest.definitions import MetricType
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.names import unknown_name
from fairlot.manifest.nodes import MapNode, Node, Scalar, shown, shown_value
from fairlot.manifest.problems import Problems
from fairlot.manifest.shapes import KEY_SHAPE, MAX_NAME_CHARS, Choice, Flag, Text, read_items

MAX_METRICS: Final = 50

_KEY: Final = Field("key", KEY_SHAPE, "The name of the metric.", is_required=True)
_NAME: Final = Field("name", Text(MAX_NAME_CHARS), "For people; the key without it.")
METRIC_TYPE_SAYS: Final = "Whether a subject has the event, how often, or the sum of its values."
EVENT_NAME: Final = Field(
    "eventName", Text(MAX_NAME_CHARS), "The name of the events that count.", is_required=True
)
_KIND: Final = Field("kind", Choice(MetricType), METRIC_TYPE_SAYS, is_required=True)
_IS_PRIMARY: Final = Field("isPrimary", Flag(), "Whether the verdict rests on it.", default=False)
_METRIC: Final = Field("metric", Text(64), "The key of a metric of the project.", is_required=True)
_INLINE_METRIC_TABLE: Final = Table(
    (_KEY, _NAME, _KIND, EVENT_NAME, _IS_PRIMARY), "A metric written in place."
)
_NAMED_METRIC_TABLE: Final = Table((_METRIC, _IS_PRIMARY), "A metric of the project.")


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


def read_metrics(top: Fields, known: Collection[str]) -> tuple[Mapping[str, Any], ...]:
    metrics: dict[str, Mapping[str, Any]] = {}
    for path, item in top.read(METRICS) or ():
        name, metric = _read_metric(path, item, top.problems, known)
        key = metric.get(name)
        if key in metrics:
            line = item.key_lines[name] if isinstance(item, MapNode) else item.line
            at = f"{path}.{name}" if isinstance(item, MapNode) else path
            top.problems.add(line, at, shown_value(key), "each metric has its own key")
        elif key is not None:
            metrics[key] = metric
    return tuple(metrics.values())


def _read_metric(
    path: str, item: Node, problems: Problems, known: Collection[str]
) -> tuple[str, Mapping[str, Any]]:
    """The field that has the key of a metric, and all of its fields; none if it is none."""
    if isinstance(item, MapNode):
        if _METRIC.name in item.entries:
            return "metric", _read_named(Fields(item, path, problems, _NAMED_METRIC_TABLE), known)
        return "key", _read_inline(Fields(item, path, problems, _INLINE_METRIC_TABLE))
    if isinstance(item, Scalar) and isinstance(item.value, str):
        if item.value not in known:
            fix = unknown_name("metric", item.value, known)
            problems.add(item.line, path, shown(item), fix)
        return "metric", {"metric": item.value, "isPrimary": False}
    fix = "write the key of a metric, or a mapping of fields, as in {metric: key, isPrimary: true}"
    problems.add(item.line, path, shown(item), fix)
    return "metric", {}


def _read_named(fields: Fields, known: Collection[str]) -> Mapping[str, Any]:
    key = fields.read(_METRIC)
    if key is not None and key not in known:
        fields.refuse("metric", unknown_name("metric", key, known))
    return {"metric": key, "isPrimary": fields.read(_IS_PRIMARY) or False}


def _read_inline(fields: Fields) -> Mapping[str, Any]:
    key, kind = fields.read(_KEY), fields.read(_KIND) or MetricType.CONVERSION
    return {
        "key": key,
        "name": fields.read(_NAME) or key,
        "kind": kind.value,
        "eventName": fields.read(EVENT_NAME) or "",
        "isPrimary": fields.read(_IS_PRIMARY) or False,
    }
