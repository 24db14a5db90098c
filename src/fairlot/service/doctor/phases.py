"""Whether the arms or their shares were changed while the experiment ran."""

from collections.abc import Iterator

from fairlot.service.doctor.case import Case
from fairlot.stats.findings import Finding, FindingCode, Severity


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
        advice="Change weights, rates and ranges only if you must: each phase has fewer subjects,"
        " and a trend over time is harder to tell.",
        evidence={
            "sharesByFirstVersion": {str(version): arms for version, arms in shares.items()},
            "subjectsByPhase": {
                str(phase.number): sum(case.exposed[phase.number].values()) for phase in seen
            },
        },
    )
