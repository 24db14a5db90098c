"""From a project's experiments and definitions to the parts of its manifest."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fairlot.engine import (
    BrokenExperiment,
    Experiment,
    Feed,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Layer,
    ListSegment,
    PropertyRule,
    RuleSegment,
    Segment,
)
from fairlot.engine.conditions import GROUP_OPERATORS
from fairlot.engine.operators import member_hash
from fairlot.manifest.definitions import (
    Definition,
    FeedDefinition,
    HistoryConditionDefinition,
    HoldoutDefinition,
    LayerDefinition,
    PropertyDefinition,
    SegmentDefinition,
)
from fairlot.manifest.segment_graph import closure_of

_Defined = TypeVar("_Defined", PropertyDefinition, FeedDefinition)


@dataclass(frozen=True, slots=True)
class ManifestParts:
    experiments: tuple[Experiment | BrokenExperiment, ...]
    holdout: Holdout | None
    layers: tuple[Layer, ...]
    segments: tuple[Segment, ...]
    properties: tuple[PropertyRule, ...] = ()
    feeds: tuple[Feed, ...] = ()


def manifest_parts(
    experiments: Iterable[Experiment | BrokenExperiment],
    definitions: Iterable[Definition],
    project: str,
) -> ManifestParts:
    """The experiments, which name all segments that theirs hold, and what of the definitions they
    use; a manifest is public.

    `project` is the project's key, by which the holdout is salted if it has no salt of its own.
    """
    defined = tuple(definitions)
    segments = {each.key: each for each in defined if isinstance(each, SegmentDefinition)}
    layers = {each.key: each for each in defined if isinstance(each, LayerDefinition)}
    holdout = next((each for each in defined if isinstance(each, HoldoutDefinition)), None)
    properties = _by_key(each for each in defined if isinstance(each, PropertyDefinition))
    closed = tuple(with_closure(experiment, segments) for experiment in experiments)
    sound = [each for each in closed if isinstance(each, Experiment)]
    return ManifestParts(
        experiments=closed,
        holdout=None if holdout is None else holdout_of(holdout, project),
        layers=_used_layers(sound, layers),
        segments=_used_segments(sound, properties, segments),
        properties=tuple(map(property_of, properties)),
        feeds=tuple(
            map(feed_of, _by_key(each for each in defined if isinstance(each, FeedDefinition)))
        ),
    )


def _by_key(definitions: Iterable[_Defined]) -> list[_Defined]:
    return sorted(definitions, key=lambda each: each.key)


def with_closure(
    experiment: Experiment | BrokenExperiment, segments: Mapping[str, SegmentDefinition]
) -> Experiment | BrokenExperiment:
    """The experiment with every segment that it names, and all that those hold."""
    if isinstance(experiment, BrokenExperiment) or not experiment.audience.segments:
        return experiment
    names = tuple(closure_of(experiment.audience.segments, segments))
    return replace(experiment, audience=replace(experiment.audience, segments=names))


def layer_of(definition: LayerDefinition) -> Layer:
    return Layer(definition.key, definition.salt or f"layer.{definition.key}")


def holdout_of(definition: HoldoutDefinition, project: str) -> Holdout:
    salt = definition.salt or f"holdout.{project}"
    return Holdout(definition.key, salt, definition.rate_bp)


def segment_of(definition: SegmentDefinition) -> Segment:
    """Members of a list that is not public are hashed."""
    key, values = definition.key, definition.values
    if definition.history:
        conditions = tuple(map(condition_of, definition.history))
        return HistorySegment(key, conditions, definition.rule or {})
    if values is None:
        return RuleSegment(key, definition.rule or {})
    if definition.is_public:
        return ListSegment(key, values, definition.attribute)
    salt = definition.salt or f"segment.{key}"
    hashes = frozenset(member_hash(salt, str(value)) for value in values)
    return ListSegment(key, attribute=definition.attribute, salt=salt, hashes=hashes)


def condition_of(written: HistoryConditionDefinition) -> HistoryCondition:
    return HistoryCondition(written.rule(), written.performed)


def feed_of(definition: FeedDefinition) -> Feed:
    weights = definition.weights
    given = {
        "view_weight": weights and weights.view,
        "cart_weight": weights and weights.cart,
        "order_weight": weights and weights.order,
        "half_life_ms": definition.half_life_ms,
        "limit": definition.limit,
    }
    return Feed(
        key=definition.key,
        algorithm=definition.algorithm,
        fill_up=definition.fill_up,
        only=definition.only or {},
        exclude=definition.exclude or {},
        pin=definition.pin,
        fields=definition.fields,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )


def property_of(definition: PropertyDefinition) -> PropertyRule:
    return PropertyRule(definition.key, definition.when.rule(), definition.value, definition.take)


def groups_named(rule: Any) -> Iterator[str]:
    """The list segments that a rule names."""
    if isinstance(rule, Mapping):
        for key, operand in rule.items():
            if key in GROUP_OPERATORS and isinstance(operand, str):
                yield operand
            else:
                yield from groups_named(operand)
    elif isinstance(rule, list | tuple):
        for item in rule:
            yield from groups_named(item)


def _used_layers(
    experiments: Iterable[Experiment], layers: Mapping[str, LayerDefinition]
) -> tuple[Layer, ...]:
    """A layer that is only named is one with the default salt."""
    used = {each.layer.key for each in experiments if each.layer is not None}
    return tuple(
        layer_of(layers.get(key) or LayerDefinition(key=key, name=key)) for key in sorted(used)
    )


def _used_segments(
    experiments: Iterable[Experiment],
    properties: Iterable[PropertyDefinition],
    segments: Mapping[str, SegmentDefinition],
) -> tuple[Segment, ...]:
    used = {key for each in properties for key in groups_named(each.when.where)}
    for experiment in experiments:
        used.update(experiment.audience.segments, groups_named(experiment.audience.rule))
        if experiment.activation is not None:
            used.update(groups_named(experiment.activation.when.where))
    for key in used & segments.keys():
        used.update(groups_named(segments[key].rule))
        used.update(groups_named([each.where for each in segments[key].history]))
    return tuple(segment_of(segments[key]) for key in sorted(used & segments.keys()))
