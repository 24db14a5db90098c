"""An examination over what is stored."""

from pathlib import Path

from sqlalchemy import Connection

from fairlot.service.doctor.examining import examine
from fairlot.service.examinations import Diagnosis
from fairlot.service.results import question_of
from fairlot.service.results.sharing import open_lake_source
from fairlot.stats.findings import Finding
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.queries import answer


def examine_stored(
    connection: Connection, tenant: ProjectRow, key: str, events_dir: Path, *, now_ms: int
) -> Diagnosis:
    """Raises UnknownExperiment, NotStarted, UnusableLogFile and QueryFailed."""
    question = question_of(connection, tenant, key, now_ms=now_ms)
    exposed: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    if question.as_of_ms > question.started_at_ms:
        with open_lake_source(events_dir, tenant.id) as source:
            sufficient = answer(source.engine, question)
            beside = source.circumstances(question)
            findings = examine(source.engine, question, sufficient, beside)
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
