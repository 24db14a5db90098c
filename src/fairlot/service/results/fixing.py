"""What is fixed of an analysis by its first result.

First write wins: whoever comes later reads what stands there, and goes by that.
"""

import msgspec
from sqlalchemy import Connection

from fairlot.service.results.fixed import FixedAnalysis, decode_analysis
from fairlot.service.results.questions import Study
from fairlot.stats.analysis import comparisons_of, primaries_of
from fairlot.store import Store
from fairlot.store.analyses import add_analysis, read_analysis
from fairlot.store.experiments import find_experiment
from fairlot.store.tenants import ProjectRow


def fixed_caps(connection: Connection, tenant: ProjectRow, key: str) -> dict[str, float]:
    """By metric, those of an experiment that are final."""
    row = find_experiment(connection, tenant.id, key)
    found = None if row is None else read_analysis(connection, row.id)
    return {} if found is None else decode_analysis(found).caps


def analysis_of(store: Store, study: Study) -> FixedAnalysis:
    """As it is stored; as it would be fixed now, where nothing is. What has no experiment (the
    holdout) is never stored."""
    if study.experiment_id is None:
        return _first(study)
    with store.reading() as connection:
        found = read_analysis(connection, study.experiment_id)
    return _first(study) if found is None else decode_analysis(found)


def fix(store: Store, study: Study, analysis: FixedAnalysis, now_ms: int) -> FixedAnalysis:
    """From the first call on it is stored, and what stands there is the answer."""
    if study.experiment_id is None:
        return analysis
    with store.reading() as connection:
        found = read_analysis(connection, study.experiment_id)
    if found is None:
        document = msgspec.json.encode(analysis)
        with store.writing() as connection:
            add_analysis(connection, study.experiment_id, document, now_ms)
            found = read_analysis(connection, study.experiment_id)
    return decode_analysis(found)


def _first(study: Study) -> FixedAnalysis:
    primaries = primaries_of(study.question.metrics)
    return FixedAnalysis(
        plan=study.plan,
        primaries=primaries,
        comparisons=comparisons_of(primaries, study.question.phases),
    )
