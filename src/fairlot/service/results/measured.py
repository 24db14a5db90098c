"""The metrics of an experiment, as the statistics know them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from fairlot.manifest.definitions import (
    DocumentKind,
    EventTotalDefinition,
    MetricDefinition,
    definition_from_json,
)
from fairlot.stats.metrics import (
    DEFAULT_CAP_QUANTILE,
    DEFAULT_WINDOW_MS,
    NOT_WINSORISED,
    Aggregate,
    EventTotal,
    Metric,
    MetricKind,
    Role,
    Winsorisation,
)
from fairlot.store.definitions import definitions_of

_OF_USE: Final = ("isPrimary", "isGuardrail")
_AGGREGATES: Final[Mapping[MetricKind, Aggregate]] = {
    MetricKind.CONVERSION: Aggregate.ANY,
    MetricKind.COUNT: Aggregate.COUNT,
    MetricKind.SUM: Aggregate.SUM,
    MetricKind.MEAN: Aggregate.SUM,
    MetricKind.QUANTILE: Aggregate.SUM,
}
_CAPPED_BY_DEFAULT: Final = frozenset({MetricKind.SUM, MetricKind.MEAN, MetricKind.RATIO})


def metrics_of(
    connection: Connection, project_id: str, written: Sequence[Mapping[str, Any]]
) -> tuple[Metric, ...]:
    """Those that an experiment has `written`, in their order; without a primary one the first that
    is no guardrail is it. One whose definition is deleted is left out."""
    return metrics_among(written, metric_definitions(connection, project_id))


def metrics_among(
    written: Iterable[Mapping[str, Any]], known: Mapping[str, MetricDefinition]
) -> tuple[Metric, ...]:
    """As `metrics_of`, of the definitions that are `known`, by key."""
    found = [metric for each in written if (metric := _metric_of(each, known)) is not None]
    return with_a_primary(found)


def metric_definitions(connection: Connection, project_id: str) -> dict[str, MetricDefinition]:
    definitions = (
        definition_from_json(row.document)
        for row in definitions_of(connection, project_id)
        if row.kind == DocumentKind.METRIC and row.deleted_at_ms is None
    )
    return {each.key: each for each in definitions if isinstance(each, MetricDefinition)}


def with_a_primary(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    found = list(metrics)
    if not any(each.role is Role.PRIMARY for each in found):
        for index, each in enumerate(found):
            if each.role is not Role.GUARDRAIL:
                found[index] = replace(each, role=Role.PRIMARY)
                break
    return tuple(found)


def metric_of(definition: MetricDefinition, role: Role) -> Metric:
    numerator = definition.numerator or _total_of(definition)
    return Metric(
        key=definition.key,
        name=definition.name,
        kind=definition.type,
        numerator=_event_total(numerator),
        denominator=_denominator(definition),
        quantile=definition.quantile,
        role=role,
        direction=definition.direction,
        window_ms=definition.window_ms or DEFAULT_WINDOW_MS,
        winsorisation=_winsorisation(definition),
        minimum_effect=definition.minimum_effect,
        margin=definition.margin,
        counts_public=definition.counts_public,
    )


def _metric_of(written: Mapping[str, Any], known: Mapping[str, MetricDefinition]) -> Metric | None:
    definition: MetricDefinition | None
    if "metric" in written:
        definition = known.get(written["metric"])
        if definition is not None:
            definition = msgspec.structs.replace(
                definition,
                minimum_effect=written.get("minimumEffect", definition.minimum_effect),
                margin=written.get("margin", definition.margin),
            )
    else:
        fields = {name: value for name, value in written.items() if name not in _OF_USE}
        document = fields | {"kind": DocumentKind.METRIC.value, "type": fields["kind"]}
        definition = msgspec.convert(document, MetricDefinition)
    return None if definition is None else metric_of(definition, _role_of(written))


def _role_of(written: Mapping[str, Any]) -> Role:
    if written.get("isPrimary"):
        return Role.PRIMARY
    return Role.GUARDRAIL if written.get("isGuardrail") else Role.SECONDARY


def _total_of(definition: MetricDefinition) -> EventTotalDefinition:
    aggregate = _AGGREGATES.get(definition.type, Aggregate.SUM)
    return EventTotalDefinition(
        event_name=definition.event_name, aggregate=aggregate, where=definition.where
    )


def _denominator(definition: MetricDefinition) -> EventTotal | None:
    if definition.type is MetricKind.MEAN:
        count = msgspec.structs.replace(_total_of(definition), aggregate=Aggregate.COUNT)
        return _event_total(count)
    return None if definition.denominator is None else _event_total(definition.denominator)


def _event_total(total: EventTotalDefinition) -> EventTotal:
    return EventTotal(total.event_name, total.aggregate, total.where)


def _winsorisation(definition: MetricDefinition) -> Winsorisation:
    given = definition.winsorise
    if given is None:
        by_default = Winsorisation(quantile=DEFAULT_CAP_QUANTILE)
        return by_default if _is_of_values(definition) else NOT_WINSORISED
    quantile = None if given.quantile == 1 else given.quantile
    return Winsorisation(cap=given.cap, quantile=quantile)


def _is_of_values(definition: MetricDefinition) -> bool:
    if definition.type is not MetricKind.RATIO:
        return definition.type in _CAPPED_BY_DEFAULT
    totals = (definition.numerator, definition.denominator)
    return any(each is not None and each.aggregate is Aggregate.SUM for each in totals)
