"""What an experiment document changes: the row that follows the stored one, or why none does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fairlot.engine import Experiment, Status
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest import experiment_to_json
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.actors import Actor, Scope
from fairlot.service.assembly import Stored
from fairlot.service.changes.courses import AFRESH, Course, course_of
from fairlot.service.changes.fields import (
    NOTES,
    SOURCE,
    changed_fields,
    noted_facts,
    served_facts,
)
from fairlot.service.changes.steps import Step, problem_at, problem_of
from fairlot.service.draws import draw_of
from fairlot.service.lifecycle import NOT_STARTED, STARTED, Action, State
from fairlot.service.plan_document import (
    ChangeAction,
    ChangedKind,
    FieldChange,
    PlannedChange,
    PlanWarning,
)
from fairlot.store.experiments import ExperimentRow

# What may still change once an experiment is over, beside comments and layout.
_THAWED: Final = {State.COMPLETED: frozenset({"rollout"}), State.KILLED: frozenset[str]()}


@dataclass(frozen=True, slots=True)
class ExperimentPlanner:
    """`layer_salts` are those after the change. What a document says is sound: whoever read it has
    shown it to the engine."""

    project_id: str
    review_required: bool
    layer_salts: Mapping[str, str]
    actor: Actor
    now_ms: int
    new_id: Callable[[str], str]

    def plan(
        self, spec: ExperimentSpec, stored: Stored | None
    ) -> tuple[Step[ExperimentRow] | None, list[SpecProblem]]:
        if stored is not None and stored.row.deleted_at_ms is not None:
            fix = "was deleted, and a deleted key is never used again: choose another"
            return None, [problem_at(spec, "key", stored.row.key, fix)]
        row = self._blank_row(spec) if stored is None else stored.row
        before = None if stored is None else stored.readable
        after = self._completed(spec, row, before)
        fields = _changed_content(spec, row, before, after)
        course = course_of(spec, row, edited=bool(fields), review_required=self.review_required)
        problems = [
            *([] if course.problem is None else [course.problem]),
            *self._forbidden(spec, State(row.status), before, fields),
        ]
        if problems:
            return None, problems
        following = row
        if fields or course.state != row.status or spec.source != row.source:
            following = self._next_row(spec, row, after, course, edited=bool(fields))
        change = _change_of(row, following, fields, course)
        warnings = [*course.warnings]
        if before is not None and State(row.status) in STARTED:
            warnings += _taken_away(before, after)
        return Step(
            change, None if stored is None else row, following, course.actions, tuple(warnings)
        ), []

    def _blank_row(self, spec: ExperimentSpec) -> ExperimentRow:
        return ExperimentRow(
            id=self.new_id("exp"),
            project_id=self.project_id,
            key=spec.experiment.key,
            status=State.DRAFT.value,
            document=b"",
            variant_ids={},
            description=None,
            hypothesis=None,
            owner=None,
            tags=(),
            metrics=(),
            source="",
            created_at_ms=self.now_ms,
            updated_at_ms=self.now_ms,
            revision=0,
        )

    def _completed(
        self, spec: ExperimentSpec, row: ExperimentRow, before: Experiment | None
    ) -> Experiment:
        """The experiment with its ids, and with the salt that it was created with."""
        written, known = spec.experiment, row.variant_ids
        if before is not None:
            salt = written.salt if spec.explicit_salt else before.salt
            written = replace(written, salt=salt, hash_version=before.hash_version)
        if before is not None and row.status == State.COMPLETED and not _is_over(spec):
            written = replace(written, rollout=before.rollout)
        return replace(
            written,
            id=row.id,
            status=Status.RUNNING,
            variants=tuple(
                replace(variant, id=known.get(variant.key) or self.new_id("var"))
                for variant in written.variants
            ),
        )

    def _forbidden(
        self,
        spec: ExperimentSpec,
        state: State,
        before: Experiment | None,
        fields: Sequence[FieldChange],
    ) -> Iterator[SpecProblem]:
        """What the state of the experiment does not allow to be edited."""
        if state in NOT_STARTED:
            return
        if state not in STARTED:
            yield from _frozen(spec, state, fields)
        else:
            yield from _unsettled(spec, fields)
            if before is not None:
                yield from _lowered(spec, before)
        served = [field for field in fields if field.path not in NOTES]
        if served and self.review_required and Scope.APPROVE not in self.actor.scopes:
            fix = "it has started, and this project asks for a review: use a key with scope approve"
            yield problem_of(spec, served[0], fix)

    def _next_row(
        self,
        spec: ExperimentSpec,
        row: ExperimentRow,
        experiment: Experiment,
        course: Course,
        *,
        edited: bool,
    ) -> ExperimentRow:
        ids = {variant.key: variant.id for variant in experiment.variants}
        moved, is_paused = course.state != row.status, row.status == State.PAUSED
        following = replace(
            row,
            status=course.state.value,
            status_reason=None if moved or (edited and not is_paused) else row.status_reason,
            document=experiment_to_json(experiment),
            variant_ids={**row.variant_ids, **ids},
            description=spec.description,
            hypothesis=spec.hypothesis,
            owner=spec.owner,
            tags=[*spec.tags],
            metrics=[dict(metric) for metric in spec.metrics],
            analysis=None if spec.analysis is None else dict(spec.analysis),
            source=spec.source,
            updated_at_ms=self.now_ms,
            revision=row.revision + 1,
            author=self.actor.name if edited else row.author,
            approved_by=None if edited else row.approved_by,
        )
        if Action.START in course.actions:
            following = replace(following, started_at_ms=self.now_ms)
        if following.started_at_ms is None:
            return following
        layer = experiment.layer
        return drawn(following, experiment, None if layer is None else self.layer_salts[layer.key])


def _is_over(spec: ExperimentSpec) -> bool:
    return spec.target is TargetStatus.COMPLETED


def drawn(row: ExperimentRow, experiment: Experiment, layer_salt: str | None) -> ExperimentRow:
    """The row with the draw that it starts with, and the mark that it draws otherwise since."""
    draw = draw_of(experiment, layer_salt)
    at_start = draw if row.draw_at_start is None else row.draw_at_start
    return replace(row, draw_at_start=at_start, draw_changed=row.draw_changed or draw != at_start)


def _changed_content(
    spec: ExperimentSpec, row: ExperimentRow, before: Experiment | None, after: Experiment
) -> tuple[FieldChange, ...]:
    """All but the status, and what only the text says."""
    old, new = noted_facts(row), noted_facts(spec)
    # Byte by byte, so that most need not be taken apart.
    if before is None or experiment_to_json(after) != row.document:
        old = ({} if before is None else served_facts(before)) | old
        new = served_facts(after) | new
    return changed_fields(old, new)


def _change_of(
    before: ExperimentRow,
    after: ExperimentRow,
    content: tuple[FieldChange, ...],
    course: Course,
) -> PlannedChange:
    action, fields = ChangeAction.UPDATE, content
    if before.revision == 0:
        action, fields = (
            ChangeAction.CREATE,
            (*content, FieldChange(path="status", after=after.status)),
        )
    elif after.status != before.status:
        fields = (*content, FieldChange(path="status", before=before.status, after=after.status))
        action = ChangeAction.UPDATE if content else ChangeAction.STATUS
    elif not content:
        is_same = after.source == before.source
        action, fields = (ChangeAction.NONE, ()) if is_same else (ChangeAction.UPDATE, (SOURCE,))
    return PlannedChange(
        kind=ChangedKind.EXPERIMENT,
        key=after.key,
        action=action,
        fields=fields,
        notes=course.notes,
    )


def _frozen(
    spec: ExperimentSpec, state: State, fields: Sequence[FieldChange]
) -> Iterator[SpecProblem]:
    thawed = _THAWED[state]
    may = f"only {', '.join(thawed)}" if thawed else "nothing"
    for field in fields:
        if field.path not in thawed:
            fix = f"it is {state.value}, and {may} may change: {AFRESH}"
            yield problem_of(spec, field, fix)


def _unsettled(spec: ExperimentSpec, fields: Sequence[FieldChange]) -> Iterator[SpecProblem]:
    """The salt and the unit stay as they were at the start; no file changes the hash version."""
    written = spec.experiment
    settled = {"salt": written.salt, "unit": written.unit.value}
    for field in fields:
        if field.path in settled:
            fix = f"it has started, and a new {field.path} would deal all subjects anew: {AFRESH}"
            yield problem_at(spec, field.path, settled[field.path], fix)


def _taken_away(before: Experiment, after: Experiment) -> Iterator[PlanWarning]:
    gone = [variant.key for variant in before.variants if after.variant(variant.key) is None]
    if gone:
        sentence = (
            f"takes {', '.join(gone)} away while it runs: whoever had it and comes back is drawn"
            f" anew and does not count, and many of them block the result; to measure, {AFRESH}"
        )
        about = f"experiment:{before.key}"
        yield PlanWarning(code="variant_removed", about=about, sentence=sentence)


def _lowered(spec: ExperimentSpec, before: Experiment) -> Iterator[SpecProblem]:
    for variant in spec.experiment.variants:
        earlier = before.variant(variant.key)
        if earlier is not None and variant.recipe_sample_rate_bp < earlier.recipe_sample_rate_bp:
            least = earlier.recipe_sample_rate_bp / FULL_RATE_BP
            yield problem_at(
                spec,
                f"variants.{variant.key}.recipeSampleRate",
                variant.recipe_sample_rate_bp / FULL_RATE_BP,
                f"while an experiment runs it may only rise: write {least} or more",
            )
