"""From the JSON of a manifest to the engine's model."""

import re
from typing import Final

import msgspec
from msgspec.structs import asdict

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    EventRule,
    Experiment,
    Feed,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    PropertyRule,
    QueryParam,
    RuleSegment,
    Schedule,
    Segment,
    ServerSegment,
    Variant,
)
from fairlot.manifest.errors import InvalidManifest, UnreadableExperiment, UnsupportedSchema
from fairlot.manifest.instants import WEEKDAYS, read_clock, read_instant
from fairlot.manifest.wire import (
    SCHEMA,
    WireActivation,
    WireAudience,
    WireEventRule,
    WireExperiment,
    WireHoldout,
    WireHours,
    WireKey,
    WireLayer,
    WireManifest,
    WireProperty,
    WireSchedule,
    WireSchema,
    WireSegment,
)

_DECODE_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_AT: Final = re.compile(r"(?P<problem>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)

_schema_decoder = msgspec.json.Decoder(WireSchema)
_manifest_decoder = msgspec.json.Decoder(WireManifest)
_experiment_decoder = msgspec.json.Decoder(WireExperiment)
_key_decoder = msgspec.json.Decoder(WireKey)


def manifest_from_json(payload: bytes) -> Manifest:
    """Raises InvalidManifest; an experiment that alone is unreadable is a BrokenExperiment."""
    try:
        schema = _schema_decoder.decode(payload).schema
        if schema != SCHEMA:
            raise UnsupportedSchema(schema, SCHEMA)
        wire = _manifest_decoder.decode(payload)
    except _DECODE_ERRORS as error:
        problem, path = _explained(error)
        raise InvalidManifest(problem, f"$.{path}" if path else "") from None
    if wire.version < 0:
        raise InvalidManifest("a version is not negative", "$.version")
    return Manifest(
        org=wire.org,
        project=wire.project,
        version=wire.version,
        published_at=wire.published_at,
        experiments=tuple(
            _experiment_or_broken(index, raw) for index, raw in enumerate(wire.experiments)
        ),
        holdout=_holdout(wire.holdout, wire.project),
        layers=tuple(map(_layer, wire.layers)),
        segments=tuple(map(_segment, wire.segments)),
        keys=wire.keys,
        properties=tuple(map(_property, wire.properties)),
        feeds=tuple(Feed(**asdict(feed)) for feed in wire.feeds),
    )


def experiment_from_json(document: bytes | msgspec.Raw) -> Experiment:
    """Raises UnreadableExperiment with the path of what cannot be read."""
    try:
        wire = _experiment_decoder.decode(document)
    except _DECODE_ERRORS as error:
        raise UnreadableExperiment(*_explained(error)) from None
    return _experiment(wire)


def _explained(error: Exception) -> tuple[str, str]:
    """What is wrong, and the path of it, of an error of the decoder."""
    if isinstance(error, RecursionError):
        return "nested too deeply", ""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8", ""
    text = str(error)
    if "truncated" in text:
        return "the JSON ends early, or a string holds half of a surrogate pair", ""
    match = _AT.fullmatch(text)
    return (match["problem"], match["path"]) if match else (text, "")


def _or(value: str | None, default: str) -> str:
    return default if value is None else value


def _experiment_or_broken(index: int, raw: msgspec.Raw) -> Experiment | BrokenExperiment:
    try:
        return experiment_from_json(raw)
    except UnreadableExperiment as error:
        return BrokenExperiment(_key_of(raw, index), str(error))


def _key_of(raw: msgspec.Raw, index: int) -> str:
    """The key of an experiment of which perhaps nothing else can be read."""
    try:
        return _key_decoder.decode(raw).key
    except _DECODE_ERRORS:
        return f"experiments[{index}]"


def _experiment(wire: WireExperiment) -> Experiment:
    changed = {
        "salt": _or(wire.salt, wire.key),
        "audience": Audience() if wire.audience is None else _audience(wire.audience),
        "layer": None if wire.layer is None else LayerRange(**asdict(wire.layer)),
        "schedule": None if wire.schedule is None else _schedule(wire.schedule),
        "variants": tuple(Variant(**asdict(variant)) for variant in wire.variants),
        "activation": None if wire.activation is None else _activation(wire.activation),
    }
    return Experiment(**asdict(wire) | changed)


def _audience(wire: WireAudience) -> Audience:
    params = tuple(QueryParam(**asdict(param)) for param in wire.query_params)
    return Audience(**asdict(wire) | {"query_params": params})


def _schedule(wire: WireSchedule) -> Schedule:
    return Schedule(
        start_ms=_instant(wire.start, "schedule.start"),
        end_ms=_instant(wire.end, "schedule.end"),
        hours=None if wire.hours is None else _hours(wire.hours),
    )


def _instant(text: str | None, path: str) -> int | None:
    if text is None:
        return None
    try:
        return read_instant(text)
    except ValueError as error:
        raise UnreadableExperiment(str(error), path) from None


def _hours(wire: WireHours) -> Hours:
    days = WEEKDAYS if wire.days is None else wire.days
    if not set(days) <= set(WEEKDAYS):
        raise UnreadableExperiment(f"days are {', '.join(WEEKDAYS)}", "schedule.hours.days")
    try:
        start, end = read_clock(wire.start), read_clock(wire.end)
    except ValueError as error:
        raise UnreadableExperiment(str(error), "schedule.hours") from None
    return Hours(start, end, frozenset(WEEKDAYS.index(day) + 1 for day in days))


def _holdout(wire: WireHoldout | None, project: str) -> Holdout | None:
    if wire is None:
        return None
    return Holdout(wire.key, _or(wire.salt, f"holdout.{project}"), wire.rate_bp)


def _layer(wire: WireLayer) -> Layer:
    return Layer(wire.key, _or(wire.salt, f"layer.{wire.key}"))


def _event_rule(wire: WireEventRule) -> EventRule:
    return EventRule(wire.event, wire.where, wire.count, wire.within_ms)


def _activation(wire: WireActivation) -> ActivationRule:
    return ActivationRule(**asdict(wire) | {"when": _event_rule(wire.when)})


def _property(wire: WireProperty) -> PropertyRule:
    return PropertyRule(**asdict(wire) | {"when": _event_rule(wire.when)})


def _segment(wire: WireSegment) -> Segment:
    is_list = bool(wire.values or wire.hashes or wire.attribute or wire.salt)
    if (wire.rule is not None or bool(wire.history)) + is_list + wire.server_only > 1:
        problem = "a segment has a rule, a list or is serverOnly: one of the three"
        raise InvalidManifest(problem, f"$.segments.{wire.key}")
    if wire.server_only:
        return ServerSegment(wire.key)
    if wire.history:
        conditions = tuple(
            HistoryCondition(_event_rule(each), each.performed) for each in wire.history
        )
        return HistorySegment(wire.key, conditions, wire.rule or {})
    if wire.rule is not None:
        return RuleSegment(wire.key, wire.rule)
    return ListSegment(wire.key, wire.values, wire.attribute, wire.salt, frozenset(wire.hashes))
