"""Whether exposures that count were deleted with the files of old days."""

from collections.abc import Iterator
from typing import Final

from fairlot.manifest.instants import write_instant
from fairlot.service.doctor.case import Case
from fairlot.service.doctor.circumstances import until_ms
from fairlot.stats.findings import Finding, FindingCode, Severity

_SOME: Final = 0.01


def check_retention(case: Case) -> Iterator[Finding]:
    """Whoever comes back has another first exposure then, and the rest is missing."""
    question = case.question
    gone = [
        each
        for each in case.circumstances.gone
        if each.last_ms >= question.started_at_ms and each.first_ms < until_ms(question)
    ]
    if not gone:
        return
    exposures = sum(each.exposures for each in gone)
    last = write_instant(max(each.last_ms for each in gone))
    is_much = exposures > _SOME * (case.analysed + exposures)
    yield Finding(
        code=FindingCode.EVENTS_GONE,
        severity=Severity.BLOCKS if is_much else Severity.WARNS,
        summary=f"{exposures:,} exposures of this experiment, the last of {last}, were deleted with"
        " the files of old days, so whoever was first exposed then is not counted, or as somebody"
        " who came later.",
        advice="Put those days back from a backup, and set `retention_days` to more than"
        " experiments take. Else rely on the looks that are stored, which stay as they are, and"
        " start anew.",
        evidence={"exposures": exposures, "last": last, "analysed": case.analysed},
    )
