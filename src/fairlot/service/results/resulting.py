"""The result of an experiment: asked, answered, analysed, judged."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from fairlot.service.doctor import NOTHING_KNOWN, Circumstances, examine
from fairlot.service.results.changes import changes, droppings
from fairlot.service.results.errors import (
    MOST_SEGMENTS,
    ResultFailed,
    TooManySegments,
    UnusableMetric,
)
from fairlot.service.results.fixed import FixedAnalysis
from fairlot.service.results.fixing import analysis_of, fix
from fairlot.service.results.questions import Moment, Study, study_of
from fairlot.service.results.record import Keeping, Kept, Record
from fairlot.service.results.recounting import Recounts
from fairlot.stats.analysis import Analysis, analyse, matured_enough
from fairlot.stats.exposed import sample_ratio, summaries_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.observations import observe
from fairlot.stats.outdated import outdated
from fairlot.stats.results import ExperimentResult
from fairlot.stats.sufficient import Question, Sufficient, View
from fairlot.stats.vanished import vanished
from fairlot.stats.verdicts import Verdicts
from fairlot.store import Store
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.queries import Engine, QueryFailed, UnusableQuestion, answer


@dataclass(frozen=True, slots=True)
class Source:
    """Where the events of a project are; `unreadable` files of them are left out. `circumstances`
    is what is known beside them, `notes` are findings that the source itself has."""

    engine: Engine
    unreadable: Sequence[tuple[Path, str]] = ()
    circumstances: Callable[[Question], Circumstances] = lambda _question: NOTHING_KNOWN
    notes: Sequence[Finding] = ()


OpenSource = Callable[[str], AbstractContextManager[Source]]
"""By the id of a project."""


def result_of(
    store: Store,
    tenant: ProjectRow,
    key: str,
    open_source: OpenSource,
    moment: Moment,
    *,
    segment_by: str | None = None,
    keeps: bool = True,
) -> ExperimentResult:
    """Fixes the analysis once there are a primary metric and subjects, and keeps new looks; of
    events elsewhere, which are not to be mixed with ours, and while a file is unreadable, it keeps
    nothing but the plan.

    Raises UnknownExperiment, NotStarted, AsOfBeforeStart, InvalidSegment, TooManySegments,
    ResultFailed or UnusableMetric.
    """
    with store.reading() as connection:
        study = study_of(connection, tenant, key, moment, segment_by=segment_by)
    fixed = analysis_of(store, study)
    question = replace(study.question, caps=fixed.caps)
    with open_source(tenant.id) as source:
        try:
            sufficient = _answered(source.engine, question)
            fixes = _fixes(fixed, sufficient)
            record = Record(store, study, _keeping(source, keeps=keeps, fixes=fixes), fixed.dropped)
            if fixes:
                fixed = fix(store, study, fixed, moment.now_ms)
            fixed = record.with_caps(fixed, sufficient)
            if record.keeping is Keeping.ALL and fixed.caps != question.caps:
                # By the query that whoever asks later gets.
                question = replace(question, caps=fixed.caps)
                sufficient = _answered(source.engine, question)
            beside = source.circumstances(question)
            found = examine(source.engine, sufficient.question, sufficient, beside)
            recount = Recounts(source.engine, sufficient.question)
            kept = record.kept()
            gone = tuple(vanished(sufficient, record.counted(kept), recount))
            analysis, kept = _analysed(record, fixed, sufficient, kept, moment.now_ms)
            gone += tuple(outdated(analysis, record.counting(kept), recount))
        except QueryFailed as error:
            raise ResultFailed(str(error)) from error
        except UnusableQuestion as error:
            raise UnusableMetric(str(error)) from error
    left_out = _unreadable(source.unreadable)
    changed = (
        *changes(study, fixed, record.redefined(kept)),
        *droppings(record.forgotten, fixed.plan.alpha),
    )
    findings = (*observe(sufficient, analysis), *changed, *gone, *found, *left_out, *source.notes)
    return _assembled(tenant, study, fixed, sufficient, analysis, findings, source.engine.dialect)


def _fixes(fixed: FixedAnalysis, sufficient: Sufficient) -> bool:
    """What has shown no difference that one could choose by leaves all to be chosen."""
    return bool(fixed.primaries and sufficient.rows)


def _keeping(source: Source, *, keeps: bool, fixes: bool) -> Keeping:
    if not keeps:
        return Keeping.NOTHING
    return Keeping.NOTHING_NEW if source.unreadable or not fixes else Keeping.ALL


def _answered(engine: Engine, question: Question) -> Sufficient:
    """Of all so far, while too few have matured."""
    matured = answer(engine, question)
    values = len({row.segment for row in matured.rows})
    if question.segment_by is not None and values > MOST_SEGMENTS:
        raise TooManySegments(question.segment_by, values)
    if matured_enough(matured) or not matured.rows:
        return matured
    return answer(engine, replace(question, view=View.SO_FAR))


def _analysed(
    record: Record, fixed: FixedAnalysis, sufficient: Sufficient, kept: Kept, now_ms: int
) -> tuple[Analysis, Kept]:
    """By the looks that are stored, whoever was first to take them; with these."""
    analysis = analyse(sufficient, record.fixed(fixed, sufficient, kept))
    if not analysis.new_looks or record.keeping is not Keeping.ALL:
        return analysis, kept
    record.keep(analysis.new_looks, now_ms)
    kept = record.kept()
    return analyse(sufficient, record.fixed(fixed, sufficient, kept)), kept


def _assembled(
    tenant: ProjectRow,
    study: Study,
    fixed: FixedAnalysis,
    sufficient: Sufficient,
    analysis: Analysis,
    findings: Sequence[Finding],
    engine: str,
) -> ExperimentResult:
    question = sufficient.question
    verdicts = Verdicts(
        analysis.metrics,
        findings,
        study.names,
        is_split=question.segment_by is not None,
    )
    return ExperimentResult(
        project=tenant.key,
        experiment=question.experiment_key,
        experiment_name=study.name,
        as_of_ms=question.as_of_ms,
        started_at_ms=question.started_at_ms,
        view=question.view,
        method=fixed.plan.method,
        alpha=fixed.plan.alpha,
        planned_size=fixed.plan.planned_size,
        time_zone=question.time_zone,
        verdict=verdicts.verdict(),
        arms=summaries_of(sufficient, study.names),
        excluded={reason.value: subjects for reason, subjects in sufficient.left_out.items()},
        srm=sample_ratio(sufficient),
        metrics=analysis.metrics,
        findings=tuple(findings),
        phases=len(question.phases),
        segment_by=question.segment_by,
        engine=engine,
        query_sha256=sufficient.query_sha256,
    )


def _place(path: Path) -> str:
    """Within the folder of a project: where the server keeps it is nobody's business."""
    return "/".join(path.parts[-3:])


def _files_text(files: int) -> str:
    if files == 1:
        return "1 file of events cannot be read and is"
    return f"{files} files of events cannot be read and are"


def _unreadable(files: Sequence[tuple[Path, str]]) -> list[Finding]:
    if not files:
        return []
    names = ", ".join(path.name for path, _ in files[:3]) + (" ..." if len(files) > 3 else "")
    return [
        Finding(
            code=FindingCode.UNREADABLE_FILE,
            severity=Severity.WARNS,
            summary=f"{_files_text(len(files))} left out: {names}.",
            advice="Put them back from a backup, or delete them if what they held may be missing.",
            evidence={
                _place(path): problem.replace(str(path), path.name) for path, problem in files
            },
        )
    ]
