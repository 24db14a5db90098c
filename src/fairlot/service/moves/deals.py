"""What an experiment deals to its subjects at one moment, taken out of a manifest.

A `Deal` holds all that decides beside the audience and the memory, in one shape for every
experiment. It is small, and goes to other processes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fairlot.engine import (
    Experiment,
    HistorySegment,
    Manifest,
    PropertyRule,
    Segment,
    Status,
    Unit,
    Variant,
    compile_manifest,
    split_ends,
)
from fairlot.engine.audience import DEVICE, QUERY_PARAMS, RULE, URL_PATTERNS, VISITOR_STATUS
from fairlot.engine.conditions import GROUP_OPERATORS
from fairlot.engine.hashing import CONTROL, HOLDOUT, LAYER, SAMPLE, VARIANT, recipe_purpose
from fairlot.engine.model import (
    BUCKETS,
    Device,
    Reason,
    RuleSegment,
    VisitorStatus,
)
from fairlot.engine.schedule import state_at
from fairlot.service.moves.properties import properties_read

SEGMENTS = "segments"
PROPERTIES = "properties"
PAGE_PARTS = (URL_PATTERNS, QUERY_PARAMS, DEVICE)
PERSON_PARTS = (RULE, SEGMENTS, PROPERTIES, VISITOR_STATUS)


class DrawKey(NamedTuple):
    """Equal keys are the same draw, others are independent of each other."""

    unit: Unit
    salt: str
    purpose: str


class Gate(NamedTuple):
    """Let through are the buckets `[start, end)` of a draw."""

    draw: DrawKey
    start: int
    end: int


class Arm(NamedTuple):
    """A variant with its buckets `[start, end)`, served to those whom the gate lets through."""

    variant: str
    start: int
    end: int
    served: Gate | None


@dataclass(frozen=True, slots=True)
class Deal:
    """A gate that lets everyone through is None. `diverted` goes to all whom `held_out` and
    `layer` let through; nothing else is drawn then. Of what events activate, `control` keeps the
    control share out. `is_open` is False while the experiment is
    paused or out of its schedule, when it deals nothing."""

    unit: Unit
    salt: str
    is_open: bool
    held_out: Gate | None
    layer: Gate | None
    sample: Gate | None
    arms: tuple[Arm, ...]
    diverted: str | None
    recheck_audience: bool
    adapter_is_randomised: bool
    control: Gate | None = None

    @property
    def gates(self) -> tuple[Gate | None, ...]:
        """All that a subject without a memory passes before a variant is drawn."""
        return self.held_out, self.layer, self.sample, self.control

    @property
    def variant_draw(self) -> DrawKey:
        return DrawKey(self.unit, self.salt, VARIANT)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. `audience` has the parts that restrict, under the names of
    `PAGE_PARTS` and `PERSON_PARTS`, segments and lists with all that they hold, and the properties
    that these and the rule look at."""

    experiment: Experiment
    deal: Deal
    audience: Mapping[str, Any]

    def of_audience(self, parts: tuple[str, ...]) -> dict[str, Any]:
        return {part: self.audience[part] for part in parts if part in self.audience}

    def restricts(self, parts: tuple[str, ...]) -> bool:
        return bool(self.of_audience(parts))


def sides_of(manifest: Manifest, now_ms: int) -> dict[str, Side]:
    """Every experiment that may answer with a variant, now or once it is open again."""
    broken = compile_manifest(manifest).broken
    segments = {segment.key: segment for segment in manifest.segments}
    return {
        experiment.key: Side(
            experiment,
            deal_of(experiment, manifest, now_ms),
            dict(_restricting(experiment, segments, manifest.properties)),
        )
        for experiment in manifest.experiments
        if isinstance(experiment, Experiment)
        and experiment.key not in broken
        and not experiment.server_only
        and not _is_over(experiment, now_ms)
    }


def deal_of(experiment: Experiment, manifest: Manifest, now_ms: int) -> Deal:
    """The experiment has to be sound."""
    rolled_out = experiment.status is Status.COMPLETED
    diverted = experiment.rollout if rolled_out else experiment.divert_to
    rate_bp = experiment.audience.sample_rate_bp
    sample = DrawKey(experiment.unit, experiment.salt, SAMPLE)
    return Deal(
        unit=experiment.unit,
        salt=experiment.salt,
        is_open=rolled_out or state_at(experiment, now_ms) is None,
        held_out=_holdout_gate(experiment, manifest),
        layer=None if rolled_out else _layer_gate(experiment, manifest),
        sample=None if diverted is not None else _gate(sample, 0, rate_bp),
        arms=_arms(experiment),
        diverted=diverted,
        recheck_audience=experiment.recheck_audience,
        adapter_is_randomised=experiment.adapter_is_randomised,
        control=None if diverted is not None else _control_gate(experiment),
    )


def own_facts(experiment: Experiment) -> Experiment:
    """The experiment reduced to what it says itself about who gets what."""
    return Experiment(
        key=experiment.key,
        salt=experiment.salt,
        variants=tuple(
            Variant(
                variant.key,
                weight=variant.weight,
                recipe_sample_rate_bp=variant.recipe_sample_rate_bp,
            )
            for variant in experiment.variants
        ),
        status=experiment.status,
        unit=experiment.unit,
        audience=experiment.audience,
        layer=experiment.layer,
        schedule=experiment.schedule,
        divert_to=experiment.divert_to,
        rollout=experiment.rollout,
        recheck_audience=experiment.recheck_audience,
        adapter_is_randomised=experiment.adapter_is_randomised,
        activation=experiment.activation,
    )


def _is_over(experiment: Experiment, now_ms: int) -> bool:
    rolled_out = experiment.status is Status.COMPLETED and experiment.rollout is not None
    return not rolled_out and state_at(experiment, now_ms) is Reason.ENDED


def _holdout_gate(experiment: Experiment, manifest: Manifest) -> Gate | None:
    holdout = manifest.holdout
    if holdout is None:
        return None
    return _gate(DrawKey(experiment.unit, holdout.salt, HOLDOUT), holdout.rate_bp, BUCKETS)


def _layer_gate(experiment: Experiment, manifest: Manifest) -> Gate | None:
    owned = experiment.layer
    if owned is None:
        return None
    salts = {layer.key: layer.salt for layer in manifest.layers}
    return _gate(DrawKey(experiment.unit, salts[owned.key], LAYER), owned.start, owned.end)


def _control_gate(experiment: Experiment) -> Gate | None:
    activation = experiment.activation
    if activation is None:
        return None
    draw = DrawKey(experiment.unit, experiment.salt, CONTROL)
    return _gate(draw, activation.control_share_bp, BUCKETS)


def _gate(draw: DrawKey, start: int, end: int) -> Gate | None:
    return None if (start, end) == (0, BUCKETS) else Gate(draw, start, end)


def _arms(experiment: Experiment) -> tuple[Arm, ...]:
    variants, salt, unit = experiment.variants, experiment.salt, experiment.unit
    weights = [variant.weight for variant in variants if variant.weight is not None]
    ends = split_ends(weights or None, len(variants))
    return tuple(
        Arm(
            variant.key,
            start,
            end,
            _gate(
                DrawKey(unit, salt, recipe_purpose(variant.key)), 0, variant.recipe_sample_rate_bp
            ),
        )
        for variant, start, end in zip(variants, (0, *ends), ends, strict=False)
    )


def _restricting(
    experiment: Experiment, segments: Mapping[str, Segment], properties: Sequence[PropertyRule]
) -> Iterator[tuple[str, object]]:
    audience = experiment.audience
    if audience.url_patterns:
        yield URL_PATTERNS, frozenset(audience.url_patterns)
    if audience.query_params:
        yield QUERY_PARAMS, frozenset(audience.query_params)
    if audience.device is not Device.ALL:
        yield DEVICE, audience.device
    if audience.rule:
        yield RULE, audience.rule
    reached = reached_by(experiment, segments)
    if reached:
        yield SEGMENTS, reached
    read = properties_read(audience, reached.values(), properties)
    if read:
        yield PROPERTIES, read
    if audience.visitor_status is not VisitorStatus.ANY:
        yield VISITOR_STATUS, audience.visitor_status


def reached_by(experiment: Experiment, segments: Mapping[str, Segment]) -> dict[str, Segment]:
    """The segments that it names, and the lists that its rules and theirs look into."""
    named = {*experiment.audience.segments, *_lists_named(experiment.audience.rule)}
    if experiment.activation is not None:
        named.update(_lists_named(experiment.activation.when.where))
    reached = {key: segments[key] for key in named}
    for segment in list(reached.values()):
        rules: list[object] = []
        if isinstance(segment, RuleSegment | HistorySegment):
            rules.append(segment.rule)
        if isinstance(segment, HistorySegment):
            rules += [condition.rule.where for condition in segment.conditions]
        reached |= {key: segments[key] for key in _lists_named(rules)}
    return reached


def _lists_named(rule: object) -> Iterator[str]:
    """The list segments that a rule looks into, at any depth."""
    if isinstance(rule, Mapping):
        for name, operand in rule.items():
            if name in GROUP_OPERATORS and isinstance(operand, str):
                yield operand
            else:
                yield from _lists_named(operand)
    elif isinstance(rule, list | tuple):
        for each in rule:
            yield from _lists_named(each)
