"""What of a project's experiments and definitions its manifest holds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from fairlot.engine import BrokenExperiment, Experiment, Manifest, Status
from fairlot.manifest import UnreadableExperiment, experiment_from_json
from fairlot.manifest.definitions import Definition, LayerDefinition, definition_from_json
from fairlot.manifest.parts import manifest_parts
from fairlot.store.definitions import DefinitionRow
from fairlot.store.experiments import ExperimentRow
from fairlot.store.tenants import ProjectRow

_IN_MANIFESTS: Final = frozenset(status.value for status in Status)


@dataclass(frozen=True, slots=True)
class Stored:
    """A row, and its document as the engine knows it, with the row's status if it has one that
    manifests know."""

    row: ExperimentRow
    experiment: Experiment | BrokenExperiment

    @property
    def readable(self) -> Experiment | None:
        return self.experiment if isinstance(self.experiment, Experiment) else None

    @property
    def is_served(self) -> bool:
        if self.row.deleted_at_ms is not None or self.row.status not in _IN_MANIFESTS:
            return False
        if self.row.status != Status.COMPLETED:
            return True
        return self.readable is not None and self.readable.rollout is not None


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    row: DefinitionRow
    definition: Definition

    @property
    def is_authored(self) -> bool:
        """A layer that an experiment was the first to name has no text of its own."""
        return bool(self.row.source)


def read_stored(row: ExperimentRow) -> Stored:
    try:
        experiment = experiment_from_json(row.document)
    except UnreadableExperiment as error:
        return Stored(row, BrokenExperiment(row.key, str(error)))
    if row.status in _IN_MANIFESTS:
        experiment = replace(experiment, status=Status(row.status))
    return Stored(row, experiment)


def read_stored_definition(row: DefinitionRow) -> StoredDefinition:
    """Raises UnreadableDefinition."""
    if not row.source:
        return StoredDefinition(row, LayerDefinition(key=row.key, name=row.key))
    return StoredDefinition(row, definition_from_json(row.document))


def served_manifest(
    tenant: ProjectRow, experiments: Iterable[Stored], definitions: Iterable[StoredDefinition]
) -> Manifest:
    """Of version 0, of no date, and without keys: what it says of experiments is all there, by key,
    so that equal states give equal manifests."""
    served = sorted((each for each in experiments if each.is_served), key=lambda each: each.row.key)
    parts = manifest_parts(
        [each.experiment for each in served],
        [each.definition for each in definitions if each.row.deleted_at_ms is None],
        tenant.key,
    )
    return Manifest(
        tenant.organization_key,
        tenant.key,
        version=0,
        published_at="",
        experiments=parts.experiments,
        holdout=parts.holdout,
        layers=parts.layers,
        segments=parts.segments,
        properties=parts.properties,
        feeds=parts.feeds,
    )
