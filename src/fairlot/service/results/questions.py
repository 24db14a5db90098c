"""What is asked of the warehouse for an experiment, as it stands in the store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from fairlot.engine import Experiment, Unit
from fairlot.engine.errors import FairlotError
from fairlot.manifest import experiment_from_json
from fairlot.manifest.definitions import DocumentKind, HoldoutDefinition, definition_from_json
from fairlot.manifest.experiment_fields import OnLogin
from fairlot.manifest.instants import write_instant
from fairlot.service.questions import UnknownExperiment
from fairlot.service.results.measured import metric_definitions, metric_of, metrics_of
from fairlot.service.results.phases import (
    HELD,
    OPEN,
    Versions,
    arms_of_document,
    is_triggered,
    only_phase,
)
from fairlot.stats.metrics import Role
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import Method
from fairlot.stats.sufficient import Phase, Question, View
from fairlot.store.definitions import definitions_of
from fairlot.store.experiments import ExperimentRow, experiments_of, find_experiment
from fairlot.store.revisions import ended_at_ms
from fairlot.store.tenants import ProjectRow

HOLDOUT: Final = "holdout"
PROPERTIES: Final = "properties."
_SEGMENT: Final = re.compile(r"device|source|properties\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_MAX_SEGMENT_CHARS: Final = 200
_LONGEST_HISTORY_MS: Final = 20 * 366 * 86_400_000


class NotStarted(FairlotError):
    """There is nothing to measure yet."""

    code = "not_started"

    def __init__(self, key: str, status: str) -> None:
        self.key = key
        super().__init__(f"{key}: {status}, so nobody was exposed to it yet; start it first")


class InvalidSegment(FairlotError):
    code = "invalid_segment"

    def __init__(self, segment: str) -> None:
        self.segment = segment
        meant = f"{PROPERTIES}{segment}"
        text = "write device, source, or properties. and the name of a property of exposures"
        if is_segment(meant):
            text += f": did you mean {meant}?"
        super().__init__(f"segment: {segment!r}: {text}")


class AsOfBeforeStart(FairlotError):
    code = "as_of_before_start"

    def __init__(self, as_of_ms: int, started_at_ms: int) -> None:
        self.as_of_ms = as_of_ms
        super().__init__(
            f"as_of: {write_instant(as_of_ms)}: it started at {write_instant(started_at_ms)}; ask"
            " about a moment after that"
        )


@dataclass(frozen=True, slots=True)
class Study:
    """An experiment whose result is asked for. `experiment_id` is None of the holdout, whose looks
    nobody stores. `names` are those of the variants, by key."""

    question: Question
    plan: AnalysisPlan
    name: str
    names: Mapping[str, str]
    experiment_id: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """`as_of_ms` None is now; so is one that is yet to come."""

    now_ms: int
    as_of_ms: int | None = None

    @property
    def is_past(self) -> bool:
        return self.as_of_ms is not None and self.as_of_ms < self.now_ms

    def since(self, started_at_ms: int) -> int:
        """The moment to answer as of. Raises AsOfBeforeStart."""
        if self.as_of_ms is not None and self.as_of_ms <= started_at_ms:
            raise AsOfBeforeStart(self.as_of_ms, started_at_ms)
        ms = self.now_ms if self.as_of_ms is None else min(self.as_of_ms, self.now_ms)
        return max(ms, started_at_ms + 1)


def question_of(
    connection: Connection,
    tenant: ProjectRow,
    key: str,
    *,
    now_ms: int,
    as_of_ms: int | None = None,
    segment_by: str | None = None,
) -> Question:
    """Raises UnknownExperiment, NotStarted, AsOfBeforeStart or InvalidSegment."""
    moment = Moment(now_ms, as_of_ms)
    return study_of(connection, tenant, key, moment, segment_by=segment_by).question


def study_of(
    connection: Connection,
    tenant: ProjectRow,
    key: str,
    moment: Moment,
    *,
    segment_by: str | None = None,
) -> Study:
    """Of an experiment, or by the key `holdout` of what all of them together are worth. Raises
    UnknownExperiment, NotStarted, AsOfBeforeStart or InvalidSegment."""
    if segment_by is not None and not is_segment(segment_by):
        raise InvalidSegment(segment_by)
    row = find_experiment(connection, tenant.id, key)
    if row is not None and row.deleted_at_ms is None:
        return _study_of_experiment(connection, tenant, row, moment, segment_by)
    holdout = _holdout_of(connection, tenant, key)
    if holdout is not None:
        return _study_of_holdout(connection, tenant, holdout, moment, segment_by)
    stored = experiments_of(connection, tenant.id)
    known = {name: each for name, each in stored.items() if each.deleted_at_ms is None}
    raise UnknownExperiment(key, known)


def plan_of(written: Mapping[str, Any] | None) -> AnalysisPlan:
    """Of the fields of `analysis` in files."""
    given = written or {}
    plan = AnalysisPlan()
    return AnalysisPlan(
        method=Method(given.get("method", plan.method)),
        alpha=given.get("alpha", plan.alpha),
        planned_size=given.get("plannedSize", plan.planned_size),
        looks=given.get("looks", plan.looks),
        cuped=given.get("cuped", plan.cuped),
    )


def is_segment(segment: str) -> bool:
    return len(segment) <= _MAX_SEGMENT_CHARS and _SEGMENT.fullmatch(segment) is not None


def _study_of_experiment(
    connection: Connection,
    tenant: ProjectRow,
    row: ExperimentRow,
    moment: Moment,
    segment_by: str | None,
) -> Study:
    if row.started_at_ms is None:
        raise NotStarted(row.key, row.status)
    experiment = experiment_from_json(row.document)
    started_ms = _start_of(experiment, row.started_at_ms)
    metrics = metrics_of(connection, tenant.id, row.metrics)
    ended_ms = ended_at_ms(connection, tenant.id, row.key)
    as_of_ms = moment.since(started_ms)
    if ended_ms is not None:
        as_of_ms = min(as_of_ms, ended_ms + max((each.window_ms for each in metrics), default=0))
    question = Question(
        project_id=tenant.id,
        experiment_id=row.id,
        experiment_key=row.key,
        phases=_phases_of(connection, tenant, row),
        metrics=metrics,
        started_at_ms=started_ms,
        as_of_ms=as_of_ms,
        time_zone=tenant.time_zone,
        view=View.MATURED,
        segment_by=segment_by,
        adapter_is_randomised=experiment.adapter_is_randomised,
        ended_at_ms=ended_ms,
        by_unit=experiment.unit is Unit.ACCOUNT,
        leaves_on_login=experiment.on_login == OnLogin.EXCLUDE,
    )
    names = {variant.key: variant.name or variant.key for variant in experiment.variants}
    return Study(question, plan_of(row.analysis), experiment.name or row.key, names, row.id)


def _start_of(experiment: Experiment, started_at_ms: int) -> int:
    """The schedule may lie before the first start: so history is taken in that was recorded
    elsewhere."""
    written_ms = None if experiment.schedule is None else experiment.schedule.start_ms
    if written_ms is None or written_ms >= started_at_ms:
        return started_at_ms
    return max(written_ms, started_at_ms - _LONGEST_HISTORY_MS)


def _phases_of(connection: Connection, tenant: ProjectRow, row: ExperimentRow) -> tuple[Phase, ...]:
    """Versions are read only where something of the draw has changed, or may have."""
    if not row.draw_changed and not is_triggered(row.document):
        return only_phase(arms_of_document(row.document))
    versions = Versions(connection, tenant.id, row.started_at_ms or 0)
    return versions.phases_of_experiment(row.key, row.document)


def _holdout_of(
    connection: Connection, tenant: ProjectRow, key: str
) -> tuple[HoldoutDefinition, int] | None:
    """With the moment it was made."""
    for row in definitions_of(connection, tenant.id):
        if row.kind != DocumentKind.HOLDOUT or key not in (HOLDOUT, f"{HOLDOUT}.{row.key}"):
            continue
        if row.deleted_at_ms is None:
            definition = definition_from_json(row.document)
            if isinstance(definition, HoldoutDefinition):
                return definition, row.created_at_ms
    return None


def _study_of_holdout(
    connection: Connection,
    tenant: ProjectRow,
    holdout: tuple[HoldoutDefinition, int],
    moment: Moment,
    segment_by: str | None,
) -> Study:
    """Every metric of the project is primary: nobody has said which one it is about."""
    definition, created_at_ms = holdout
    key = f"{HOLDOUT}.{definition.key}"
    versions = Versions(connection, tenant.id, created_at_ms)
    measured = metric_definitions(connection, tenant.id).values()
    question = Question(
        project_id=tenant.id,
        experiment_id=key,
        experiment_key=key,
        phases=versions.phases_of_holdout(definition.key, definition.rate_bp),
        metrics=tuple(metric_of(each, Role.PRIMARY) for each in measured),
        started_at_ms=created_at_ms,
        as_of_ms=moment.since(created_at_ms),
        time_zone=tenant.time_zone,
        segment_by=segment_by,
    )
    names = {HELD: "Held out of every experiment", OPEN: "Open to all experiments"}
    return Study(question, AnalysisPlan(), definition.name, names, None)
