"""From the engine's model to the JSON of a manifest: equal manifests give the same bytes."""

from dataclasses import fields
from typing import Any, Final, TypeVar

import msgspec

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    EventRule,
    Experiment,
    HistorySegment,
    Holdout,
    Hours,
    ListSegment,
    Manifest,
    PropertyRule,
    Schedule,
    Segment,
    ServerSegment,
)
from fairlot.manifest.instants import WEEKDAYS, write_clock, write_instant
from fairlot.manifest.wire import (
    SCHEMA,
    WireActivation,
    WireAudience,
    WireEventRule,
    WireExperiment,
    WireFeed,
    WireHistoryCondition,
    WireHoldout,
    WireHours,
    WireKey,
    WireLayer,
    WireLayerRange,
    WireManifest,
    WireProperty,
    WireQueryParam,
    WireSchedule,
    WireSegment,
    WireVariant,
)

_Wire = TypeVar("_Wire", bound=msgspec.Struct)

# The model's mappings need not be dicts, which are all that msgspec can write.
_encoder: Final = msgspec.json.Encoder(order="deterministic", enc_hook=dict)


def manifest_to_json(manifest: Manifest) -> bytes:
    """A broken experiment is written as its key alone: it stays `invalid` for readers too."""
    return _encoder.encode(
        _wire(
            WireManifest,
            manifest,
            schema=SCHEMA,
            holdout=_holdout(manifest.holdout, manifest.project),
            layers=tuple(
                WireLayer(layer.key, _unless(layer.salt, f"layer.{layer.key}"))
                for layer in manifest.layers
            ),
            segments=tuple(map(_segment, manifest.segments)),
            experiments=[msgspec.Raw(_experiment_or_key(each)) for each in manifest.experiments],
            properties=tuple(map(_property, manifest.properties)),
            feeds=tuple(_wire(WireFeed, feed) for feed in manifest.feeds),
        )
    )


def experiment_to_json(experiment: Experiment) -> bytes:
    """One experiment in the shape that it has inside a manifest."""
    audience, layer, schedule = experiment.audience, experiment.layer, experiment.schedule
    activation = experiment.activation
    return _encoder.encode(
        _wire(
            WireExperiment,
            experiment,
            hash_version=experiment.hash_version,
            salt=_unless(experiment.salt, experiment.key),
            audience=None if audience == Audience() else _audience(audience),
            layer=None if layer is None else _wire(WireLayerRange, layer),
            schedule=None if schedule is None else _schedule(schedule),
            variants=tuple(_wire(WireVariant, variant) for variant in experiment.variants),
            activation=None if activation is None else _activation(activation),
        )
    )


def _wire(kind: type[_Wire], record: Any, **changed: Any) -> _Wire:
    """The struct with the fields of `record`, but for those that are `changed`.

    Values at their default are not passed on: msgspec leaves out what is the very same object.
    """
    given = {
        field.name: value
        for field in fields(record)
        if (value := getattr(record, field.name)) != field.default
    }
    return kind(**given | changed)


def _unless(value: str, default: str) -> str | None:
    """None, which is left out, for a value at its default."""
    return None if value == default else value


def _experiment_or_key(experiment: Experiment | BrokenExperiment) -> bytes:
    if isinstance(experiment, BrokenExperiment):
        return _encoder.encode(WireKey(experiment.key))
    return experiment_to_json(experiment)


def _audience(audience: Audience) -> WireAudience:
    params = tuple(_wire(WireQueryParam, param) for param in audience.query_params)
    return _wire(WireAudience, audience, query_params=params)


def _schedule(schedule: Schedule) -> WireSchedule:
    return WireSchedule(
        start=None if schedule.start_ms is None else write_instant(schedule.start_ms),
        end=None if schedule.end_ms is None else write_instant(schedule.end_ms),
        hours=None if schedule.hours is None else _hours(schedule.hours),
    )


def _hours(hours: Hours) -> WireHours:
    days = tuple(name for number, name in enumerate(WEEKDAYS, start=1) if number in hours.days)
    return WireHours(
        days=None if days == WEEKDAYS else days,
        start=write_clock(hours.start),
        end=write_clock(hours.end),
    )


def _holdout(holdout: Holdout | None, project: str) -> WireHoldout | None:
    if holdout is None:
        return None
    return _wire(WireHoldout, holdout, salt=_unless(holdout.salt, f"holdout.{project}"))


def _event_rule(rule: EventRule) -> WireEventRule:
    return _wire(WireEventRule, rule)


def _activation(activation: ActivationRule) -> WireActivation:
    when, share_bp = _event_rule(activation.when), activation.control_share_bp
    return _wire(WireActivation, activation, when=when, control_share_bp=share_bp)


def _property(rule: PropertyRule) -> WireProperty:
    return _wire(WireProperty, rule, when=_event_rule(rule.when))


def _segment(segment: Segment) -> WireSegment:
    if isinstance(segment, ServerSegment):
        return WireSegment(segment.key, server_only=True)
    if isinstance(segment, ListSegment):
        return _wire(WireSegment, segment, hashes=tuple(sorted(segment.hashes)))
    if isinstance(segment, HistorySegment):
        return WireSegment(
            segment.key,
            rule=dict(segment.rule) or None,
            history=tuple(
                _wire(WireHistoryCondition, each.rule, performed=each.performed)
                for each in segment.conditions
            ),
        )
    return _wire(WireSegment, segment)
