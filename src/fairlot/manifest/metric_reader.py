"""The metrics of an experiment: written in place, or named where the project defines them."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.manifest.definitions import MetricType
from fairlot.manifest.fields import KEY_FIX, Fields
from fairlot.manifest.names import unknown_name
from fairlot.manifest.nodes import MapNode, Node, Scalar, shown, shown_value
from fairlot.manifest.problems import Problems

METRIC_FIELDS: Final = ("key", "name", "kind", "eventName", "isPrimary")
NAMED_METRIC_FIELDS: Final = ("metric", "isPrimary")


def read_metrics(top: Fields, known: Collection[str]) -> tuple[Mapping[str, Any], ...]:
    metrics: dict[str, Mapping[str, Any]] = {}
    for path, item in top.items("metrics"):
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
        if "metric" in item.entries:
            return "metric", _read_named(Fields(item, path, problems, NAMED_METRIC_FIELDS), known)
        return "key", _read_inline(Fields(item, path, problems, METRIC_FIELDS))
    if isinstance(item, Scalar) and isinstance(item.value, str):
        if item.value not in known:
            fix = unknown_name("metric", item.value, known)
            problems.add(item.line, path, shown(item), fix)
        return "metric", {"metric": item.value, "isPrimary": False}
    fix = "write the key of a metric, or a mapping of fields, as in {metric: key, isPrimary: true}"
    problems.add(item.line, path, shown(item), fix)
    return "metric", {}


def _read_named(fields: Fields, known: Collection[str]) -> Mapping[str, Any]:
    fields.require("metric")
    key = fields.text("metric")
    if key is not None and key not in known:
        fields.refuse("metric", unknown_name("metric", key, known))
    return {"metric": key, "isPrimary": fields.flag("isPrimary") or False}


def _read_inline(fields: Fields) -> Mapping[str, Any]:
    fields.require("key", "kind", "eventName")
    key = fields.matching("key", EXPERIMENT_KEY, KEY_FIX)
    kind = fields.choice("kind", MetricType) or MetricType.CONVERSION
    return {
        "key": key,
        "name": fields.text("name") or key,
        "kind": kind.value,
        "eventName": fields.text("eventName") or "",
        "isPrimary": fields.flag("isPrimary") or False,
    }
