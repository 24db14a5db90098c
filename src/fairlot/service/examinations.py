"""What an examination of an experiment found, as commands and the API print it."""

from typing import Final

import msgspec

from fairlot.stats.findings import Finding, Severity
from fairlot.stats.results import ExperimentResult

_ORDER: Final = tuple(Severity)


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`exposed` are the subjects that are analysed, by variant. `findings` are those of the result;
    without any, nothing that is looked for is wrong."""

    project: str
    experiment: str
    experiment_id: str
    as_of_ms: int
    exposed: dict[str, int]
    findings: tuple[Finding, ...]


def diagnosis_of(result: ExperimentResult, project: str, experiment_id: str) -> Diagnosis:
    """All findings of a result, the worst first."""
    return Diagnosis(
        project=project,
        experiment=result.experiment,
        experiment_id=experiment_id,
        as_of_ms=result.as_of_ms,
        exposed={arm.variant: arm.exposed for arm in result.arms if arm.exposed},
        findings=tuple(sorted(result.findings, key=lambda each: _ORDER.index(each.severity))),
    )
