"""Whether exposures come before what they may have caused, and whether clocks agree."""

from collections.abc import Iterator
from typing import Final

from fairlot.manifest.instants import write_instant
from fairlot.service.doctor.case import Case, percent
from fairlot.service.doctor.events import (
    HISTORY_MS,
    HOUR_MS,
    event_names,
    exposures_before_start,
    order_by_name,
)
from fairlot.stats.findings import Finding, FindingCode, Severity

_FEWEST: Final = 20
_SHARE: Final = 0.1
_TIMES_USUAL: Final = 5.0
_SKEWED: Final = 0.01
_SOME: Final = 0.01


def check_start(case: Case) -> Iterator[Finding]:
    """Some clock is always wrong; a history that is not counted is more than that."""
    early = exposures_before_start(case)
    if early.subjects <= _SOME * (case.analysed + early.subjects):
        return
    first, start = write_instant(early.first_ms), write_instant(case.question.started_at_ms)
    yield Finding(
        code=FindingCode.EXPOSURES_BEFORE_START,
        severity=Severity.WARNS,
        summary=f"{early.exposures:,} exposures of {early.subjects:,} subjects lie before the start"
        f" ({start}), the earliest at {first}: they do not count.",
        advice="Where they are the history of this experiment, write their beginning into its file,"
        f' `schedule: {{start: "{first}"}}`, and apply it: results count from there. Where they are'
        " not, see whether the clock of who sends is right, and whose key they name.",
        evidence={
            "exposures": early.exposures,
            "subjects": early.subjects,
            "earliest": first,
            "start": start,
        },
    )


def check_order(case: Case) -> Iterator[Finding]:
    """More conversions in the hour before the exposure than there ever are in an hour: the exposure
    is recorded when it is too late. What subjects always do says nothing."""
    metrics = event_names(case)
    hours = HISTORY_MS / HOUR_MS - 1
    for name, order in order_by_name(case).items():
        usual = order.earlier / hours
        near = order.before + order.after
        if (
            order.before < _FEWEST
            or order.before < _SHARE * near
            or order.before < _TIMES_USUAL * usual
        ):
            continue
        yield Finding(
            code=FindingCode.EXPOSURES_AFTER_CONVERSIONS,
            severity=Severity.WARNS,
            summary=f"{order.before} of {near} {name} events within an hour of the first exposure"
            f" came before it; an hour usually has {usual:.1f}.",
            advice="Record the exposure when the variant is decided or shown, and not after what"
            " it is to change: those conversions are not counted.",
            evidence={
                "event": name,
                "metrics": sorted(metrics[name]),
                "inTheHourBefore": order.before,
                "inTheHourAfter": order.after,
                "inAnUsualHour": round(usual, 2),
            },
        )


def check_clocks(case: Case) -> Iterator[Finding]:
    skewed = case.sufficient.skewed
    if skewed > _SKEWED * max(case.analysed, 1):
        yield Finding(
            code=FindingCode.CLOCK_SKEW,
            severity=Severity.WARNS,
            summary=f"{skewed} conversions of other senders lie up to 5 s before the exposure of"
            f" their subject ({percent(skewed, case.analysed)} of the subjects): the clocks of who"
            " sends differ. They are counted as at the exposure.",
            advice="Synchronise the clocks of the servers that send events.",
            evidence={"skewed": skewed, "analysed": case.analysed},
        )
