"""All that a project holds at one moment: what a change is planned against."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import Connection

from fairlot.engine import Manifest
from fairlot.manifest.definitions import (
    DocumentKind,
    KnownDefinitions,
)
from fairlot.service.assembly import (
    Stored,
    StoredDefinition,
    read_stored,
    read_stored_definition,
    served_manifest,
)
from fairlot.store.definitions import DefinitionRow, definitions_of
from fairlot.store.experiments import ExperimentRow, experiments_of
from fairlot.store.tenants import ProjectRow

Name: TypeAlias = tuple[str, str]
"""A kind and a key."""
EXPERIMENT: Final = DocumentKind.EXPERIMENT.value
LAYER: Final = DocumentKind.LAYER.value
SEGMENT: Final = DocumentKind.SEGMENT.value
HOLDOUT: Final = DocumentKind.HOLDOUT.value
METRIC: Final = DocumentKind.METRIC.value
FEED: Final = DocumentKind.FEED.value
PROPERTY: Final = DocumentKind.PROPERTY.value


@dataclass(frozen=True, slots=True)
class ProjectState:
    """What is deleted is there too: its keys are taken."""

    tenant: ProjectRow
    experiments: Mapping[str, Stored]
    definitions: Mapping[Name, StoredDefinition]

    @property
    def live_experiments(self) -> list[Stored]:
        return [each for each in self.experiments.values() if each.row.deleted_at_ms is None]

    @property
    def live_definitions(self) -> list[StoredDefinition]:
        return [each for each in self.definitions.values() if each.row.deleted_at_ms is None]

    @property
    def layer_salts(self) -> dict[str, str]:
        """Of deleted layers too: that one is named again is told elsewhere."""
        return {
            key: each.row.salt or ""
            for (kind, key), each in self.definitions.items()
            if kind == LAYER
        }

    def manifest(self) -> Manifest:
        return served_manifest(self.tenant, self.live_experiments, self.live_definitions)

    def known(self) -> KnownDefinitions:
        """What files may name without holding it."""
        return KnownDefinitions(tuple(each.definition for each in self.live_definitions))

    def with_rows(
        self, experiments: Iterable[ExperimentRow], definitions: Iterable[DefinitionRow]
    ) -> "ProjectState":
        """The state after these have taken the place of what is stored."""
        return ProjectState(
            self.tenant,
            {**self.experiments, **{row.key: read_stored(row) for row in experiments}},
            {
                **self.definitions,
                **{(row.kind, row.key): read_stored_definition(row) for row in definitions},
            },
        )

    def tag(self) -> str:
        """Equal for equal states: every change raises a revision."""
        revisions = sorted(
            [
                *(("experiment", key, each.row.revision) for key, each in self.experiments.items()),
                *((*name, each.row.revision) for name, each in self.definitions.items()),
            ]
        )
        return hashlib.sha256(repr(revisions).encode()).hexdigest()[:32]


def read_state(connection: Connection, tenant: ProjectRow) -> ProjectState:
    return ProjectState(
        tenant,
        {key: read_stored(row) for key, row in experiments_of(connection, tenant.id).items()},
        {
            (row.kind, row.key): read_stored_definition(row)
            for row in definitions_of(connection, tenant.id)
        },
    )
