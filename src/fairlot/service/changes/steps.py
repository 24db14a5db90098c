"""One document's part of a change: what stands there before and after."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

from msgspec import UNSET

from fairlot.manifest.definitions import DocumentKind, WrittenDefinition
from fairlot.manifest.documents import Documents
from fairlot.manifest.field_lines import line_of
from fairlot.manifest.nodes import shortened, shown_value
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.lifecycle import Action
from fairlot.service.plan_document import (
    ChangeAction,
    ChangedKind,
    FieldChange,
    PlannedChange,
    PlanWarning,
)
from fairlot.service.project_state import Name
from fairlot.store.definitions import DefinitionRow
from fairlot.store.experiments import ExperimentRow

Row = TypeVar("Row", ExperimentRow, DefinitionRow)
Written: TypeAlias = ExperimentSpec | WrittenDefinition
Places: TypeAlias = Mapping[Name, Written]


@dataclass(frozen=True, slots=True)
class Step(Generic[Row]):
    """`before` is None for what is new. `actions` are those of the lifecycle, in turn."""

    change: PlannedChange
    before: Row | None
    after: Row
    actions: tuple[Action, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()

    @property
    def changes(self) -> bool:
        return self.change.action is not ChangeAction.NONE


AnyStep: TypeAlias = Step[ExperimentRow] | Step[DefinitionRow]


def deletion(kind: ChangedKind, row: Row, now_ms: int) -> Step[Row]:
    change = PlannedChange(kind=kind, key=row.key, action=ChangeAction.DELETE)
    after = replace(row, deleted_at_ms=now_ms, updated_at_ms=now_ms, revision=row.revision + 1)
    return Step(change, row, after)


def name_of(written: Written) -> Name:
    if isinstance(written, ExperimentSpec):
        return DocumentKind.EXPERIMENT.value, written.experiment.key
    return written.definition.kind.value, written.definition.key


def places_of(documents: Documents) -> dict[Name, Written]:
    """Where each document is, in their order."""
    written: tuple[Written, ...] = (*documents.definitions, *documents.experiments)
    return {name_of(each): each for each in written}


def problem_at(written: Written | None, path: str, value: object, message: str) -> SpecProblem:
    """Without a place for what no document says."""
    text = shortened(value) if isinstance(value, str) else shown_value(value)
    if written is None:
        return SpecProblem("", 0, path, text, message)
    return SpecProblem(written.file, line_of(written.root, path), path, text, message)


def problem_of(written: Written, field: FieldChange, message: str) -> SpecProblem:
    """About what a field is changed to; its value is empty when it is taken away."""
    value = "" if field.after is UNSET else field.after
    return problem_at(written, field.path, value, message)
