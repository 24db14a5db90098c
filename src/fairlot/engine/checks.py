"""What must hold of an experiment before its audience is even compiled."""

import re
from collections.abc import Mapping
from typing import Final

from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.hashing import HASH_VERSION, SALT_PATTERN
from fairlot.engine.history import MAX_WITHIN_MS, check_event_rule
from fairlot.engine.model import (
    BUCKETS,
    FULL_RATE_BP,
    ActivationRule,
    Experiment,
    ExperimentType,
    Hours,
    Layer,
    Variant,
)

EXPERIMENT_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
VARIANT_KEY: Final = re.compile(r"[a-z0-9_-]{1,32}")
MAX_VARIANTS: Final = 200
DAY_MINUTES: Final = 1440
MAX_ACTIVATIONS: Final = 1_000_000
CONTROL_ARM: Final = "control"
"""What the control share of a triggered personalization is called."""


def check_shape(experiment: Experiment, layers: Mapping[str, Layer]) -> None:
    """Keys, salt, variants, weights, rates, layer range, schedule, variant references, and what
    activates it."""
    _check_identity(experiment)
    _check_variants(experiment)
    _check_layer(experiment, layers)
    _check_rate(experiment.audience.sample_rate_bp, "audience.sampleRate")
    if experiment.schedule is not None and experiment.schedule.hours is not None:
        _check_hours(experiment.schedule.hours)
    for field, key in (("divertTo", experiment.divert_to), ("rollout", experiment.rollout)):
        if key is not None and experiment.variant(key) is None:
            known = ", ".join(variant.key for variant in experiment.variants)
            raise InvalidExperiment(field, key, f"name one of the variants: {known}")
    if experiment.activation is not None:
        _check_activation(experiment, experiment.activation)


def _check_activation(experiment: Experiment, activation: ActivationRule) -> None:
    with located("when"):
        check_event_rule(activation.when)
    if activation.for_ms is not None and not 0 < activation.for_ms <= MAX_WITHIN_MS:
        raise InvalidExperiment("for", activation.for_ms, "use more than 0 s, 400 days at most")
    if activation.limit is not None and not 1 <= activation.limit <= MAX_ACTIVATIONS:
        raise InvalidExperiment("limit", activation.limit, f"use 1 to {MAX_ACTIVATIONS}")
    _check_rate(activation.control_share_bp, "controlShare")
    if experiment.type is not ExperimentType.PERSONALIZATION:
        fix = "only what has type personalization is activated by events"
        raise InvalidExperiment("type", experiment.type.value, fix)
    for index, variant in enumerate(experiment.variants):
        if variant.key == CONTROL_ARM:
            fix = "with `when` the control is the control share; choose another key"
            raise InvalidExperiment(f"variants[{index}].key", variant.key, fix)


def _check_identity(experiment: Experiment) -> None:
    if not EXPERIMENT_KEY.fullmatch(experiment.key):
        fix = "start with a lower-case letter, then up to 63 of a-z 0-9 _ -"
        raise InvalidExperiment("key", experiment.key, fix)
    if not SALT_PATTERN.fullmatch(experiment.salt):
        raise InvalidExperiment("salt", experiment.salt, "use 1 to 128 of A-Z a-z 0-9 . _ -")
    if experiment.hash_version != HASH_VERSION:
        fix = f"this version knows only {HASH_VERSION}"
        raise InvalidExperiment("hashVersion", experiment.hash_version, fix)


def _check_variants(experiment: Experiment) -> None:
    variants = experiment.variants
    least = 1 if experiment.type is ExperimentType.PERSONALIZATION else 2
    if not least <= len(variants) <= MAX_VARIANTS:
        fix = f"an experiment of type {experiment.type} has {least} to {MAX_VARIANTS} variants"
        raise InvalidExperiment("variants", len(variants), fix)
    seen: set[str] = set()
    for index, variant in enumerate(variants):
        path = f"variants[{index}]"
        if not VARIANT_KEY.fullmatch(variant.key):
            raise InvalidExperiment(f"{path}.key", variant.key, "use 1 to 32 of a-z 0-9 _ -")
        if variant.key in seen:
            raise InvalidExperiment(f"{path}.key", variant.key, "each variant has its own key")
        seen.add(variant.key)
        _check_rate(variant.recipe_sample_rate_bp, f"{path}.recipeSampleRate")
    _check_weights(variants)


def _check_weights(variants: tuple[Variant, ...]) -> None:
    weights = [variant.weight for variant in variants if variant.weight is not None]
    if not weights:
        return
    if len(weights) != len(variants):
        raise InvalidExperiment("variants", weights, "give every variant a weight, or none")
    negative = [weight for weight in weights if weight < 0]
    if negative:
        raise InvalidExperiment("variants", negative[0], "a weight is 0 to 10000")
    if sum(weights) != BUCKETS:
        raise InvalidExperiment(
            "variants", weights, f"weights sum to {BUCKETS}, not {sum(weights)}"
        )


def _check_layer(experiment: Experiment, layers: Mapping[str, Layer]) -> None:
    layer = experiment.layer
    if layer is None:
        return
    if layer.key not in layers:
        known = ", ".join(sorted(layers)) or "none"
        raise InvalidExperiment("layer.key", layer.key, f"name a layer of this project ({known})")
    if not SALT_PATTERN.fullmatch(layers[layer.key].salt):
        raise InvalidExperiment("layer.salt", layers[layer.key].salt, "use A-Z a-z 0-9 . _ -")
    if not 0 <= layer.start < layer.end <= BUCKETS:
        value = f"[{layer.start}, {layer.end})"
        raise InvalidExperiment("layer", value, f"0 <= start < end <= {BUCKETS}")


def _check_hours(hours: Hours) -> None:
    inside = 0 <= hours.start < DAY_MINUTES and 0 <= hours.end <= DAY_MINUTES
    if not inside or hours.start == hours.end or not hours.days:
        raise InvalidExperiment(
            "schedule.hours", f"{hours.start}..{hours.end} minutes", "`from` and `to` must differ"
        )


def _check_rate(rate_bp: int, path: str) -> None:
    if not 0 <= rate_bp <= FULL_RATE_BP:
        raise InvalidExperiment(path, rate_bp / FULL_RATE_BP, "a rate is 0 to 1")
