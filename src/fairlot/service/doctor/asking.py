"""An examination over what is stored."""

from pathlib import Path

from sqlalchemy import Connection

from fairlot.service.doctor.case import Circumstances
from fairlot.service.doctor.examining import examine
from fairlot.service.examinations import Diagnosis
from fairlot.service.results import question_of
from fairlot.stats.findings import Finding
from fairlot.stats.sufficient import Question
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.assigned import assigned_units
from fairlot.warehouse.lake import open_lake
from fairlot.warehouse.queries import DuckDbEngine, answer
from fairlot.warehouse.senders import read_senders


def examine_stored(
    connection: Connection, tenant: ProjectRow, key: str, events_dir: Path, *, now_ms: int
) -> Diagnosis:
    """Raises UnknownExperiment, NotStarted, UnusableLogFile and QueryFailed."""
    question = question_of(connection, tenant, key, now_ms=now_ms)
    exposed: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    if question.as_of_ms > question.started_at_ms:
        circumstances = circumstances_of(events_dir, question)
        with open_lake(events_dir, tenant.id) as lake:
            engine = DuckDbEngine(lake.connection)
            sufficient = answer(engine, question)
            findings = examine(engine, question, sufficient, circumstances)
        for row in sufficient.rows:
            exposed[row.variant_key] = exposed.get(row.variant_key, 0) + row.exposed
    return Diagnosis(
        project=f"{tenant.organization_key}/{tenant.key}",
        experiment=question.experiment_key,
        experiment_id=question.experiment_id,
        as_of_ms=question.as_of_ms,
        exposed=exposed,
        findings=findings,
    )


def circumstances_of(events_dir: Path, question: Question) -> Circumstances:
    """Raises UnusableLogFile."""
    from_ms, before_ms = question.started_at_ms, question.as_of_ms
    return Circumstances(
        senders=tuple(
            each
            for each in read_senders(events_dir, project_id=question.project_id)
            if each.last_seen_ms >= from_ms
        ),
        assigned=assigned_units(events_dir, question.experiment_id, from_ms, before_ms),
    )
