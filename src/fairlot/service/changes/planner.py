"""A change as a whole: every document's part of it, and all that stands in the way."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fairlot.events import new_ulid
from fairlot.manifest.documents import Documents
from fairlot.manifest.problems import SpecProblem
from fairlot.service.actors import Actor
from fairlot.service.changes.checks import problems_between, warnings_between
from fairlot.service.changes.definitions import DefinitionPlanner
from fairlot.service.changes.experiments import ExperimentPlanner
from fairlot.service.changes.steps import (
    Places,
    Step,
    deletion,
    name_of,
    places_of,
    problem_at,
)
from fairlot.service.lifecycle import DELETABLE
from fairlot.service.plan_document import (
    ChangedKind,
    NotInFiles,
    PlannedChange,
    PlanWarning,
)
from fairlot.service.project_state import EXPERIMENT, LAYER, Name, ProjectState
from fairlot.service.refusals import Refused
from fairlot.store.definitions import DefinitionRow
from fairlot.store.experiments import ExperimentRow


@dataclass(frozen=True, slots=True)
class Prepared:
    """`after` is the project as it will be."""

    documents: Documents
    before: ProjectState
    after: ProjectState
    definitions: list[Step[DefinitionRow]]
    experiments: list[Step[ExperimentRow]]
    warnings: tuple[PlanWarning, ...]

    @property
    def changes(self) -> tuple[PlannedChange, ...]:
        return (
            *(step.change for step in self.definitions),
            *(step.change for step in self.experiments),
        )


def prepare(
    state: ProjectState,
    documents: Documents,
    *,
    delete: Collection[Name] = (),
    actor: Actor,
    now_ms: int,
) -> Prepared:
    """What the documents change, and what is deleted beside. Raises Refused with every problem."""
    planned = _Planned(state, documents, actor, now_ms)
    definitions = [*planned.definitions(), *planned.deleted_definitions(delete)]
    between = state.with_rows((), [step.after for step in definitions if step.changes])
    experiments = [*planned.experiments(between), *planned.deleted_experiments(delete)]
    after = between.with_rows([step.after for step in experiments if step.changes], ())
    problems = [*planned.problems, *problems_between(state, after, planned.places, actor)]
    if problems:
        raise Refused(problems)
    warnings = [warning for step in experiments for warning in step.warnings]
    warnings += warnings_between(state, after)
    return Prepared(documents, state, after, definitions, experiments, tuple(warnings))


def missing(state: ProjectState, documents: Documents) -> tuple[NotInFiles, ...]:
    """What is stored and in no document, but for layers that were never written."""
    written = places_of(documents)
    stored = [
        *(
            NotInFiles(kind=ChangedKind(each.row.kind), key=each.row.key)
            for each in state.live_definitions
            if each.is_authored
        ),
        *(
            NotInFiles(kind=ChangedKind.EXPERIMENT, key=each.row.key, status=each.row.status)
            for each in state.live_experiments
        ),
    ]
    return tuple(each for each in stored if (each.kind.value, each.key) not in written)


def may_be_deleted(each: NotInFiles) -> bool:
    """Whether `--allow-deletes` deletes it."""
    return each.status is None or each.status in DELETABLE


class _Planned:
    """Document by document; what cannot be done is kept in `problems`."""

    def __init__(
        self, state: ProjectState, documents: Documents, actor: Actor, now_ms: int
    ) -> None:
        self.problems: list[SpecProblem] = []
        self.places: Places = places_of(documents)
        self._state = state
        self._documents = documents
        self._actor = actor
        self._now_ms = now_ms

    def definitions(self) -> Iterator[Step[DefinitionRow]]:
        tenant = self._state.tenant
        planner = DefinitionPlanner(tenant.id, tenant.key, self._now_ms, self._new_id)
        for written in self._documents.definitions:
            step, problems = planner.plan(written, self._state.definitions.get(name_of(written)))
            self.problems += problems
            if step is not None:
                yield step
        yield from self._named_layers(planner)

    def _named_layers(self, planner: DefinitionPlanner) -> Iterator[Step[DefinitionRow]]:
        seen = {name for name in self.places if name[0] == LAYER}
        for spec in self._documents.experiments:
            layer = spec.experiment.layer
            if layer is None or (LAYER, layer.key) in seen:
                continue
            stored = self._state.definitions.get((LAYER, layer.key))
            if stored is None:
                known = [key for kind, key in (*self._state.definitions, *seen) if kind == LAYER]
                yield planner.name_layer(layer.key, spec.experiment.key, known)
                seen.add((LAYER, layer.key))
            elif stored.row.deleted_at_ms is not None:
                fix = "was deleted, and a deleted key is never used again: choose another"
                self.problems.append(problem_at(spec, "layer.key", layer.key, fix))

    def experiments(self, between: ProjectState) -> Iterator[Step[ExperimentRow]]:
        """`between` has the definitions as they will be."""
        tenant = self._state.tenant
        planner = ExperimentPlanner(
            tenant.id,
            tenant.review_required,
            between.layer_salts,
            self._actor,
            self._now_ms,
            self._new_id,
        )
        for spec in self._documents.experiments:
            step, problems = planner.plan(spec, self._state.experiments.get(spec.experiment.key))
            self.problems += problems
            if step is not None:
                yield step

    def deleted_definitions(self, delete: Collection[Name]) -> Iterator[Step[DefinitionRow]]:
        for name in delete:
            if name in self._state.definitions:
                yield deletion(
                    ChangedKind(name[0]), self._state.definitions[name].row, self._now_ms
                )

    def deleted_experiments(self, delete: Collection[Name]) -> Iterator[Step[ExperimentRow]]:
        for kind, key in delete:
            if kind == EXPERIMENT:
                row = self._state.experiments[key].row
                yield deletion(ChangedKind.EXPERIMENT, row, self._now_ms)

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}_{new_ulid(self._now_ms)}"
