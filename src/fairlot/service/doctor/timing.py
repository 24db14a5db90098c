"""Whether exposures come before what they may have caused, and whether clocks agree."""

from collections.abc import Iterator
from typing import Final

from fairlot.manifest.instants import write_instant
from fairlot.service.doctor.case import Case, percent
from fairlot.service.doctor.events import (
    HISTORY_MS,
    HOUR_MS,
    Order,
    event_names,
    exposures_before_start,
    order_by_name,
)
from fairlot.stats.findings import Finding, FindingCode, Severity

_FEWEST: Final = 20
_SHARE: Final = 0.1
_TIMES_USUAL: Final = 5.0
_TIMES_AFTER: Final = 2
_ONCE: Final = 1.5
_MOST: Final = 0.5
_TIMES_ALIKE: Final = 3
_CLEAR: Final = 5.0
"""In standard errors. Events of one visit lie together, so chance does more than to single ones."""
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
    """More conversions in the hour before the exposure than there ever are in an hour, and not as
    it is in the middle of a visit: the exposure is recorded when it is too late. What subjects
    always do says nothing."""
    metrics = event_names(case)
    hours = HISTORY_MS / HOUR_MS - 1
    for name, order in order_by_name(case).items():
        usual = order.earlier / hours
        if order.before < _FEWEST or order.before < _TIMES_USUAL * usual:
            continue
        if not (_is_mostly_before(order) or _is_drawn_to_the_exposure(order)):
            continue
        yield Finding(
            code=FindingCode.EXPOSURES_AFTER_CONVERSIONS,
            severity=Severity.WARNS,
            summary=f"{order.before} of {order.before + order.after} {name} events within an hour"
            f" of the first exposure came before it; an hour usually has {usual:.1f}.",
            advice="Record the exposure when the variant is decided or shown, and not after what"
            " it is to change: those conversions are not counted. What leads to the exposure no"
            " variant changes: choose another metric for it.",
            evidence={
                "event": name,
                "metrics": sorted(metrics[name]),
                "inTheHourBefore": order.before,
                "inTheTwoMinutesBefore": order.just_before,
                "inTheHourAfter": order.after,
                "inAnUsualHour": round(usual, 2),
                "subjectsBefore": order.subjects_before,
                "subjectsAfter": order.subjects_after,
            },
        )


def check_clocks(case: Case) -> Iterator[Finding]:
    """Only where there is an event of which far more lie in those 5 s than in the 5 s before."""
    skewed = case.sufficient.skewed
    if skewed <= _SKEWED * max(case.analysed, 1):
        return
    names = sorted(name for name, each in order_by_name(case).items() if _is_skewed(each))
    if not names:
        return
    yield Finding(
        code=FindingCode.CLOCK_SKEW,
        severity=Severity.WARNS,
        summary=f"{skewed} conversions of other senders lie up to 5 s before the exposure of"
        f" their subject ({percent(skewed, case.analysed)} of the subjects), more of"
        f" {', '.join(names)} than chance brings there: the clocks of who sends differ, or the"
        " exposure is recorded after them. They are counted as at the exposure.",
        advice="Synchronise the clocks of the servers that send events; where they agree, record"
        " the exposure first.",
        evidence={"skewed": skewed, "analysed": case.analysed, "events": names},
    )


def _is_mostly_before(order: Order) -> bool:
    """In the middle of a visit, or at its end, most subjects do after it too what they did before;
    where a page is viewed and then says so, there are as many other views."""
    return (
        order.before >= _TIMES_AFTER * order.after
        and order.subjects_before >= _TIMES_AFTER * order.subjects_after
    )


def _is_drawn_to_the_exposure(order: Order) -> bool:
    """Of what is done once in a visit some lies before the exposure, and most of that close by: one
    program of several records the exposure with it."""
    near = order.before + order.after
    return (
        near < _ONCE * order.subjects
        and order.before >= _SHARE * near
        and order.just_before >= _MOST * order.before
    )


def _is_skewed(order: Order) -> bool:
    more = order.skewed - order.alike
    return (
        order.skewed >= _TIMES_ALIKE * order.alike
        and more > _CLEAR * (order.skewed + order.alike) ** 0.5
    )
