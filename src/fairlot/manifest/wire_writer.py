"""From the engine's model to the JSON of a manifest: equal manifests give the same bytes."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from fairlot.engine import (
    Audience,
    BrokenExperiment,
    Experiment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    Manifest,
    RuleSegment,
    Schedule,
    Segment,
    ServerSegment,
    Variant,
)
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest.instants import WEEKDAYS, write_clock, write_instant
from fairlot.manifest.wire import (
    SCHEMA,
    WireAudience,
    WireExperiment,
    WireHoldout,
    WireHours,
    WireKey,
    WireLayer,
    WireLayerRange,
    WireManifest,
    WireQueryParam,
    WireSchedule,
    WireSegment,
    WireVariant,
    check_size,
)

_Value = TypeVar("_Value")
_DEFAULT: Final = Experiment(key="", salt="", variants=())

_encoder = msgspec.json.Encoder(order="deterministic")


def manifest_to_json(manifest: Manifest) -> bytes:
    """Raises InvalidManifest for more than 16 MiB: no client would take it.

    A broken experiment is written as its key alone, so that it stays `invalid` for readers too.
    """
    wire = WireManifest(
        schema=SCHEMA,
        org=manifest.org,
        project=manifest.project,
        version=manifest.version,
        published_at=manifest.published_at,
        holdout=_wire_holdout(manifest.holdout, manifest.project),
        layers=[_wire_layer(layer) for layer in manifest.layers],
        segments=[_wire_segment(segment) for segment in manifest.segments],
        experiments=[_raw_experiment(experiment) for experiment in manifest.experiments],
    )
    payload = _encoder.encode(wire)
    check_size(payload)
    return payload


def experiment_to_json(experiment: Experiment) -> bytes:
    """One experiment in the shape that it has inside a manifest."""
    return _encoder.encode(_wire_experiment(experiment))


def _unless(value: _Value, default: _Value) -> _Value | None:
    """None, which is left out, for a value at its default."""
    return None if value == default else value


def _raw_experiment(experiment: Experiment | BrokenExperiment) -> msgspec.Raw:
    if isinstance(experiment, BrokenExperiment):
        return msgspec.Raw(_encoder.encode(WireKey(key=experiment.key)))
    return msgspec.Raw(experiment_to_json(experiment))


def _wire_experiment(experiment: Experiment) -> WireExperiment:
    return WireExperiment(
        key=experiment.key,
        id=experiment.id,
        name=experiment.name,
        type=experiment.type,
        status=experiment.status,
        hash_version=experiment.hash_version,
        salt=_unless(experiment.salt, experiment.key),
        unit=experiment.unit,
        audience=_wire_audience(experiment.audience),
        layer=None if experiment.layer is None else _wire_layer_range(experiment.layer),
        schedule=None if experiment.schedule is None else _wire_schedule(experiment.schedule),
        variants=[_wire_variant(variant) for variant in experiment.variants],
        divert_to=experiment.divert_to,
        rollout=experiment.rollout,
        recheck_audience=experiment.recheck_audience,
        adapter_is_randomised=experiment.adapter_is_randomised,
        server_only=experiment.server_only,
        manual_exposure=experiment.manual_exposure,
        metadata=_plain(experiment.metadata),
        group=experiment.group,
        priority=_unless(experiment.priority, _DEFAULT.priority),
        display=_unless(experiment.display, _DEFAULT.display),
        on_login=_unless(experiment.on_login, _DEFAULT.on_login),
        trigger=_plain(experiment.trigger),
        shared_js=experiment.shared_js,
        shared_css=experiment.shared_css,
    )


def _plain(mapping: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if mapping is None else dict(mapping)


def _wire_variant(variant: Variant) -> WireVariant:
    return WireVariant(
        key=variant.key,
        id=variant.id,
        name=variant.name,
        is_control=variant.is_control,
        weight=variant.weight,
        recipe_sample_rate_bp=_unless(variant.recipe_sample_rate_bp, FULL_RATE_BP),
        payload=variant.payload,
        redirect=variant.redirect,
        js=variant.js,
        css=variant.css,
        dom_ops=list(variant.dom_ops),
    )


def _wire_audience(audience: Audience) -> WireAudience | None:
    if audience == Audience():
        return None
    return WireAudience(
        rule=dict(audience.rule),
        segments=list(audience.segments),
        url_patterns=list(audience.url_patterns),
        query_params=[
            WireQueryParam(key=param.key, operator=param.operator, value=param.value)
            for param in audience.query_params
        ],
        device=audience.device,
        visitor_status=audience.visitor_status,
        sample_rate_bp=_unless(audience.sample_rate_bp, FULL_RATE_BP),
    )


def _wire_layer_range(layer: LayerRange) -> WireLayerRange:
    return WireLayerRange(key=layer.key, start=layer.start, end=layer.end)


def _wire_schedule(schedule: Schedule) -> WireSchedule:
    return WireSchedule(
        start=None if schedule.start_ms is None else write_instant(schedule.start_ms),
        end=None if schedule.end_ms is None else write_instant(schedule.end_ms),
        hours=None if schedule.hours is None else _wire_hours(schedule.hours),
    )


def _wire_hours(hours: Hours) -> WireHours:
    days = [name for number, name in enumerate(WEEKDAYS, start=1) if number in hours.days]
    return WireHours(
        days=None if len(days) == len(WEEKDAYS) else days,
        start=write_clock(hours.start),
        end=write_clock(hours.end),
    )


def _wire_holdout(holdout: Holdout | None, project: str) -> WireHoldout | None:
    if holdout is None:
        return None
    salt = _unless(holdout.salt, f"holdout.{project}")
    return WireHoldout(key=holdout.key, salt=salt, rate_bp=holdout.rate_bp)


def _wire_layer(layer: Layer) -> WireLayer:
    return WireLayer(key=layer.key, salt=_unless(layer.salt, f"layer.{layer.key}"))


def _wire_segment(segment: Segment) -> WireSegment:
    if isinstance(segment, RuleSegment):
        return WireSegment(key=segment.key, rule=dict(segment.rule))
    if isinstance(segment, ServerSegment):
        return WireSegment(key=segment.key, server_only=True)
    return WireSegment(
        key=segment.key,
        values=list(segment.values),
        attribute=segment.attribute,
        salt=segment.salt,
        hashes=sorted(segment.hashes),
    )
