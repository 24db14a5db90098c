"""Small manifests, made in one line or read from experiment files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fairlot.engine import (
    Audience,
    Experiment,
    FairlotError,
    Manifest,
    Status,
    Variant,
    compile_manifest,
)
from fairlot.manifest.definitions import Definition
from fairlot.manifest.documents import read_files
from fairlot.manifest.parts import manifest_parts
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.public import public_of
from fairlot.manifest.source_files import SourceFile, read_source_files
from fairlot.manifest.spec import ExperimentSpec, TargetStatus

Variants = Sequence[str] | Mapping[str, Any]
"""The keys of variants, or their payloads by key."""

_PROJECT: Final = "default"


class UnusableExperiments(FairlotError):
    """No manifest can be made of them; `problems` says of each what to do about it."""

    code = "unusable_experiments"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def manifest_of(
    experiments: Mapping[str, Variants] | Iterable[Experiment], *, version: int = 1
) -> Manifest:
    """A manifest for `Client.set_manifest`, of running experiments with an even split.

    `{"checkout": ["control", "bold"]}`, or `{"price": {"control": 10, "lower": 8}}` where variants
    have payloads. What needs more is made by `experiment_of`. Raises UnusableExperiments for what
    a server would refuse too.
    """
    if isinstance(experiments, Mapping):
        experiments = [experiment_of(key, variants) for key, variants in experiments.items()]
    return _manifest_of(experiments, (), version)


def experiment_of(
    key: str,
    variants: Variants,
    *,
    weights: Sequence[int] | None = None,
    rule: Mapping[str, Any] | None = None,
    manual_exposure: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Experiment:
    """One running experiment; whatever else it has, set it by `dataclasses.replace`.

    `weights` are as many as there are variants, and sum to 10000. The control is the variant
    `control`, else the first.
    """
    if isinstance(variants, str):
        raise UnusableExperiments([f"{key}: {variants!r}: write a list, as in ['control', 'bold']"])
    payloads = variants if isinstance(variants, Mapping) else dict.fromkeys(variants)
    if len(payloads) != len(variants):
        raise UnusableExperiments([f"{key}: {list(variants)!r}: each variant has its own key"])
    if weights is not None and len(weights) != len(payloads):
        fix = f"give one weight to each of the {len(payloads)} variants, or none"
        raise UnusableExperiments([f"{key}: weights: {list(weights)!r}: {fix}"])
    control = "control" if "control" in payloads else next(iter(payloads), None)
    return Experiment(
        key=key,
        salt=key,
        name=key,
        audience=Audience(rule=rule or {}),
        manual_exposure=manual_exposure,
        metadata=metadata,
        variants=tuple(
            Variant(
                variant_key,
                name=variant_key,
                is_control=variant_key == control,
                weight=None if weights is None else weights[index],
                payload=payload,
            )
            for index, (variant_key, payload) in enumerate(payloads.items())
        ),
    )


def manifest_from_yaml(text: str, *, version: int = 1) -> Manifest:
    """The manifest that clients get of a YAML text, its definitions included: drafts, and completed
    experiments without a rollout, are not in it, and what only a server decides is there by its
    names. Needs PyYAML (`fairlot[server]`)."""
    return _manifest_of_files([SourceFile("<text>", text)], (), version)


def manifest_from_files(path: Path | str, *, version: int = 1) -> Manifest:
    """As `manifest_from_yaml`, of one file, or of all YAML files in a folder: segments and metrics
    that an experiment names have to be in what is read."""
    return _manifest_of_files(*read_source_files(Path(path)), version)


def _manifest_of_files(
    files: Sequence[SourceFile], unreadable: Sequence[SpecProblem], version: int
) -> Manifest:
    try:
        documents, problems = read_files(files)
    except ModuleNotFoundError as error:
        fix = "YAML files are read by PyYAML; pip install 'fairlot[server]'"
        raise UnusableExperiments([f"{error.name} is not installed: {fix}"]) from None
    if unreadable or problems:
        raise UnusableExperiments(map(str, (*unreadable, *problems)))
    definitions = [written.definition for written in documents.definitions]
    served = (spec.experiment for spec in documents.experiments if _is_served(spec))
    return _manifest_of(served, definitions, version)


def _manifest_of(
    experiments: Iterable[Experiment], definitions: Iterable[Definition], version: int
) -> Manifest:
    parts = manifest_parts(map(_with_ids, experiments), definitions, _PROJECT)
    manifest = Manifest(
        org="test",
        project=_PROJECT,
        version=version,
        published_at="2026-01-01T00:00:00Z",
        experiments=parts.experiments,
        holdout=parts.holdout,
        layers=parts.layers,
        segments=parts.segments,
        properties=parts.properties,
        feeds=parts.feeds,
    )
    broken = compile_manifest(manifest).broken
    if broken:
        raise UnusableExperiments(f"{key}: {problem}" for key, problem in broken.items())
    return public_of(manifest)


def _is_served(spec: ExperimentSpec) -> bool:
    if spec.target is TargetStatus.DRAFT:
        return False
    return spec.experiment.status is not Status.COMPLETED or spec.experiment.rollout is not None


def _with_ids(experiment: Experiment) -> Experiment:
    """Ids as a server gives them, but the same in every run."""
    return replace(
        experiment,
        id=experiment.id or f"exp_{experiment.key}",
        variants=tuple(
            replace(variant, id=variant.id or f"var_{experiment.key}_{variant.key}")
            for variant in experiment.variants
        ),
    )
