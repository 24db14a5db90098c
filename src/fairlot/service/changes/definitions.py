"""What a definition document changes: the row that follows the stored one, or why none does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from fairlot.manifest.definitions import (
    Definition,
    DocumentKind,
    HoldoutDefinition,
    LayerDefinition,
    SegmentDefinition,
    WrittenDefinition,
    definition_to_json,
)
from fairlot.manifest.problems import SpecProblem, nearest
from fairlot.service.assembly import StoredDefinition
from fairlot.service.changes.fields import SOURCE, changed_fields, definition_facts
from fairlot.service.changes.steps import Step, problem_at
from fairlot.service.plan_document import ChangeAction, ChangedKind, FieldChange, PlannedChange
from fairlot.store.definitions import DefinitionRow

_OTHERS_HELD: Final = (
    "another salt holds others back, and lets in those who were held: delete this holdout, and"
    " begin another under a new key"
)
_SALTED: Final = (LayerDefinition, SegmentDefinition, HoldoutDefinition)


@dataclass(frozen=True, slots=True)
class DefinitionPlanner:
    project_id: str
    project_key: str
    now_ms: int
    new_id: Callable[[str], str]

    def plan(
        self, written: WrittenDefinition, stored: StoredDefinition | None
    ) -> tuple[Step[DefinitionRow] | None, list[SpecProblem]]:
        if stored is None:
            return self._create(written), []
        row = stored.row
        if row.deleted_at_ms is not None:
            fix = "was deleted, and a deleted key is never used again: choose another"
            return None, [problem_at(written, "key", row.key, fix)]
        definition = self._salted(written.definition, row.salt)
        salt = self._salt_of(definition)
        if definition.kind is DocumentKind.HOLDOUT and salt != row.salt:
            return None, [problem_at(written, "salt", salt or "", _OTHERS_HELD)]
        before = self._salted(stored.definition, row.salt)
        fields = changed_fields(definition_facts(before), definition_facts(definition))
        if not fields and written.source != row.source:
            fields = (SOURCE,)
        if not fields:
            return Step(_change_of(definition, ChangeAction.NONE), row, row), []
        following = replace(
            row,
            salt=salt,
            document=definition_to_json(definition),
            source=written.source,
            updated_at_ms=self.now_ms,
            revision=row.revision + 1,
        )
        return Step(_change_of(definition, ChangeAction.UPDATE, fields), row, following), []

    def name_layer(
        self, key: str, experiment_key: str, known: Iterable[str]
    ) -> Step[DefinitionRow]:
        """A layer that no document describes is made when an experiment first names it."""
        definition = LayerDefinition(key=key, name=key)
        near = nearest(key, known)
        meant = f"; did you mean {near}?" if near else ""
        note = f"made because {experiment_key} names it{meant}"
        change = _change_of(definition, ChangeAction.CREATE, notes=(note,))
        return Step(change, None, self._new_row(definition, ""))

    def _create(self, written: WrittenDefinition) -> Step[DefinitionRow]:
        definition = self._salted(written.definition, None)
        fields = changed_fields({}, definition_facts(definition))
        change = _change_of(definition, ChangeAction.CREATE, fields)
        return Step(change, None, self._new_row(definition, written.source))

    def _new_row(self, definition: Definition, source: str) -> DefinitionRow:
        kind = definition.kind.value
        return DefinitionRow(
            id=self.new_id(kind[:3]),
            project_id=self.project_id,
            kind=kind,
            key=definition.key,
            salt=self._salt_of(definition),
            document=definition_to_json(definition),
            source=source,
            created_at_ms=self.now_ms,
            updated_at_ms=self.now_ms,
        )

    def _salted(self, definition: Definition, stored_salt: str | None) -> Definition:
        """With the salt that is written, or else the one that it was created with; a salt that is
        the default is left out."""
        if not isinstance(definition, _SALTED):
            return definition
        salt = definition.salt or stored_salt
        is_default = salt == self._default_salt(definition)
        return structs.replace(definition, salt=None if is_default else salt)

    def _salt_of(self, definition: Definition) -> str | None:
        if not isinstance(definition, _SALTED):
            return None
        return definition.salt or self._default_salt(definition)

    def _default_salt(self, definition: Definition) -> str:
        owner = self.project_key if definition.kind is DocumentKind.HOLDOUT else definition.key
        return f"{definition.kind}.{owner}"


def _change_of(
    definition: Definition,
    action: ChangeAction,
    fields: tuple[FieldChange, ...] = (),
    notes: tuple[str, ...] = (),
) -> PlannedChange:
    return PlannedChange(
        kind=ChangedKind(definition.kind.value),
        key=definition.key,
        action=action,
        fields=fields,
        notes=notes,
    )
