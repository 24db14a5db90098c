"""Whether the arms or their shares were changed while the experiment ran."""

from collections.abc import Iterator
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.service.doctor.holdouts import START_AFRESH
from fairlot.service.holdouts import is_holdout
from fairlot.stats.findings import Finding, FindingCode, Severity

_ADVICE: Final = (
    "Change weights, rates and ranges only if you must: each phase has fewer subjects, and a trend"
    " over time is harder to tell."
)
_OF_A_HOLDOUT: Final = (
    "Whoever lies between the rates and was seen before is treated as the new rate says, and counts"
    " in the first arm, or, seen in both, in none: the difference is told too small."
    f" {START_AFRESH}"
)


def check_phases(case: Case) -> Iterator[Finding]:
    """More of the same shares, as of a wider range of a layer, is no change of them."""
    seen = [phase for phase in case.phases if sum(case.exposed[phase.number].values())]
    if len({phase.arms for phase in seen}) < 2:
        return
    shares = {
        phase.first_version: {arm.variant_key: round(arm.share, 4) for arm in phase.arms}
        for phase in seen
    }
    versions = ", ".join(str(phase.first_version) for phase in seen[1:])
    yield Finding(
        code=FindingCode.WEIGHTS_CHANGED,
        severity=Severity.NOTES,
        summary=f"What is drawn changed while the experiment ran (manifest version {versions}):"
        f" {len(seen)} phases are analysed apart, and combined.",
        advice=_OF_A_HOLDOUT if is_holdout(case.question.experiment_key) else _ADVICE,
        evidence={
            "sharesByFirstVersion": {str(version): arms for version, arms in shares.items()},
            "subjectsByPhase": {
                str(phase.number): sum(case.exposed[phase.number].values()) for phase in seen
            },
        },
    )
