"""From the JSON of a manifest to the engine's model."""

import re
from typing import Final

import msgspec

from fairlot.engine import (
    Audience,
    BrokenExperiment,
    Experiment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    QueryParam,
    RuleSegment,
    Schedule,
    Segment,
    ServerSegment,
    Variant,
)
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest.errors import InvalidManifest, UnreadableExperiment, UnsupportedSchema
from fairlot.manifest.instants import WEEKDAYS, read_clock, read_instant
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
    WireSchedule,
    WireSchema,
    WireSegment,
    WireVariant,
    check_size,
)

_DEFAULT: Final = Experiment(key="", salt="", variants=())
_DECODE_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_AT: Final = re.compile(r"(?P<problem>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)

_schema_decoder = msgspec.json.Decoder(WireSchema)
_manifest_decoder = msgspec.json.Decoder(WireManifest)
_experiment_decoder = msgspec.json.Decoder(WireExperiment)
_key_decoder = msgspec.json.Decoder(WireKey)


def manifest_from_json(payload: bytes) -> Manifest:
    """Raises InvalidManifest; an experiment that alone is unreadable is a BrokenExperiment."""
    check_size(payload)
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
    )


def experiment_from_json(document: bytes | msgspec.Raw) -> Experiment:
    """Raises UnreadableExperiment with the path of what cannot be read."""
    try:
        wire = _experiment_decoder.decode(document)
    except _DECODE_ERRORS as error:
        problem, path = _explained(error)
        raise UnreadableExperiment(path, problem) from None
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
    return Experiment(
        key=wire.key,
        salt=_or(wire.salt, wire.key),
        variants=tuple(map(_variant, wire.variants)),
        id=wire.id,
        name=wire.name,
        type=wire.type,
        status=wire.status,
        hash_version=wire.hash_version,
        unit=wire.unit,
        audience=Audience() if wire.audience is None else _audience(wire.audience),
        layer=None if wire.layer is None else _layer_range(wire.layer),
        schedule=None if wire.schedule is None else _schedule(wire.schedule),
        divert_to=wire.divert_to,
        rollout=wire.rollout,
        recheck_audience=wire.recheck_audience,
        adapter_is_randomised=wire.adapter_is_randomised,
        server_only=wire.server_only,
        manual_exposure=wire.manual_exposure,
        metadata=wire.metadata,
        group=wire.group,
        priority=wire.priority or 0,
        display=_or(wire.display, _DEFAULT.display),
        on_login=_or(wire.on_login, _DEFAULT.on_login),
        trigger=wire.trigger,
        shared_js=wire.shared_js,
        shared_css=wire.shared_css,
    )


def _variant(wire: WireVariant) -> Variant:
    return Variant(
        key=wire.key,
        id=wire.id,
        name=wire.name,
        is_control=wire.is_control,
        weight=wire.weight,
        recipe_sample_rate_bp=_rate(wire.recipe_sample_rate_bp),
        payload=wire.payload,
        redirect=wire.redirect,
        js=wire.js,
        css=wire.css,
        dom_ops=tuple(wire.dom_ops),
    )


def _audience(wire: WireAudience) -> Audience:
    return Audience(
        rule=wire.rule,
        segments=tuple(wire.segments),
        url_patterns=tuple(wire.url_patterns),
        query_params=tuple(
            QueryParam(param.key, param.operator, param.value) for param in wire.query_params
        ),
        device=wire.device,
        visitor_status=wire.visitor_status,
        sample_rate_bp=_rate(wire.sample_rate_bp),
    )


def _rate(rate_bp: int | None) -> int:
    return FULL_RATE_BP if rate_bp is None else rate_bp


def _layer_range(wire: WireLayerRange) -> LayerRange:
    return LayerRange(wire.key, wire.start, wire.end)


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
        raise UnreadableExperiment(path, str(error)) from None


def _hours(wire: WireHours) -> Hours:
    days = WEEKDAYS if wire.days is None else wire.days
    if not set(days) <= set(WEEKDAYS):
        raise UnreadableExperiment("schedule.hours.days", f"days are {', '.join(WEEKDAYS)}")
    try:
        start, end = read_clock(wire.start), read_clock(wire.end)
    except ValueError as error:
        raise UnreadableExperiment("schedule.hours", str(error)) from None
    return Hours(start, end, frozenset(WEEKDAYS.index(day) + 1 for day in days))


def _holdout(wire: WireHoldout | None, project: str) -> Holdout | None:
    if wire is None:
        return None
    return Holdout(wire.key, _or(wire.salt, f"holdout.{project}"), wire.rate_bp)


def _layer(wire: WireLayer) -> Layer:
    return Layer(wire.key, _or(wire.salt, f"layer.{wire.key}"))


def _segment(wire: WireSegment) -> Segment:
    is_list = bool(wire.values or wire.hashes or wire.attribute or wire.salt)
    if (wire.rule is not None) + is_list + wire.server_only > 1:
        problem = "a segment has a rule, a list or is serverOnly: one of the three"
        raise InvalidManifest(problem, f"$.segments.{wire.key}")
    if wire.server_only:
        return ServerSegment(wire.key)
    if wire.rule is not None:
        return RuleSegment(wire.key, wire.rule)
    return ListSegment(
        wire.key, tuple(wire.values), wire.attribute, wire.salt, frozenset(wire.hashes)
    )
