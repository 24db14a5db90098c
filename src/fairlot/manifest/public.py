"""What of a manifest clients may read."""

from collections.abc import Iterable
from dataclasses import replace

from fairlot.engine import (
    BrokenExperiment,
    Experiment,
    Manifest,
    RuleSegment,
    Segment,
    Variant,
)
from fairlot.engine.needs import needs_server
from fairlot.manifest.parts import groups_named


def public_of(manifest: Manifest) -> Manifest:
    """The same without what only the server decides by.

    An experiment that needs the server is listed by its names; what nothing else uses is left out
    with its rule.
    """
    segments = {segment.key: segment for segment in manifest.segments}
    experiments = tuple(
        named_only(each) if isinstance(each, Experiment) and needs_server(each, segments) else each
        for each in manifest.experiments
    )
    used_layers = {each.layer.key for each in _sound(experiments) if each.layer is not None}
    used_segments = _used_segments(_sound(experiments), manifest.segments)
    return replace(
        manifest,
        experiments=experiments,
        layers=tuple(layer for layer in manifest.layers if layer.key in used_layers),
        segments=tuple(each for each in manifest.segments if each.key in used_segments),
        properties=(),
        feeds=(),
    )


def named_only(experiment: Experiment) -> Experiment:
    """Its key, id, name, type and status, and those of its variants."""
    return Experiment(
        key=experiment.key,
        salt=experiment.key,
        id=experiment.id,
        name=experiment.name,
        type=experiment.type,
        status=experiment.status,
        hash_version=experiment.hash_version,
        variants=tuple(Variant(each.key, each.id, each.name) for each in experiment.variants),
        server_only=True,
    )


def _sound(experiments: Iterable[Experiment | BrokenExperiment]) -> list[Experiment]:
    return [each for each in experiments if isinstance(each, Experiment)]


def _used_segments(experiments: Iterable[Experiment], segments: Iterable[Segment]) -> set[str]:
    """Those that audiences name, and the lists that rules of either look up."""
    used: set[str] = set()
    for experiment in experiments:
        used.update(experiment.audience.segments, groups_named(experiment.audience.rule))
    for segment in segments:
        if segment.key in used and isinstance(segment, RuleSegment):
            used.update(groups_named(segment.rule))
    return used
