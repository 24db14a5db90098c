"""What was decided or sent, and never arrived; and what arrived again and again."""

from collections.abc import Iterator
from typing import Any, Final

from fairlot.service.doctor.case import Case, percent
from fairlot.service.doctor.events import exposed_units
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.srm import homogeneity
from fairlot.warehouse.senders import SenderFigures

_SOME: Final = 0.01
_MANY: Final = 0.05
_FEWEST: Final = 20
_MOST_SENDERS: Final = 5


def check_lost_events(case: Case) -> Iterator[Finding]:
    """Of the project: which experiments the lost events were of, nobody can tell."""
    senders = case.circumstances.senders
    lost = sum(each.lost_events + each.dropped for each in senders)
    sent = lost + sum(each.events for each in senders)
    if lost <= _SOME * sent:
        return
    worst = sorted(senders, key=lambda each: -(each.lost_events + each.dropped))
    yield Finding(
        code=FindingCode.LOST_EVENTS,
        severity=Severity.WARNS,
        summary=f"{percent(lost, sent)} of the events that senders of the project have made so far"
        f" ({lost} of {sent}) never arrived, most of {worst[0].source or worst[0].sender_id}.",
        advice="Look at `fairlot events --senders`: let processes close their client before they"
        " end, and give queues room for as long as the server may be away.",
        evidence={"lost": lost, "sent": sent, "senders": _told(worst)},
    )


def check_repeated_batches(case: Case) -> Iterator[Finding]:
    """Each counts once; that they come again says that answers are lost, or that two processes
    share an id, and then one of them is not counted at all."""
    senders = case.circumstances.senders
    repeated = sum(each.repeated_batches for each in senders)
    batches = sum(each.batches for each in senders)
    if repeated < _FEWEST or repeated <= _MANY * batches:
        return
    worst = sorted(senders, key=lambda each: -each.repeated_batches)
    yield Finding(
        code=FindingCode.DUPLICATE_BATCHES,
        severity=Severity.WARNS,
        summary=f"{repeated} batches of the project came again that were known ({batches} so far),"
        f" most of {worst[0].source or worst[0].sender_id}; each counts once.",
        advice="Give each process a sender id of its own, and look for a proxy that answers in"
        " place of the server.",
        evidence={"repeated": repeated, "batches": batches, "senders": _told(worst)},
    )


def check_missing_exposures(case: Case) -> Iterator[Finding]:
    """Units that were assigned a variant and have no exposure. Only where every arm was assigned at
    least as many as are exposed: clients that remember by themselves assign nothing here."""
    assigned = case.circumstances.assigned
    if not assigned:
        return
    exposed = exposed_units(case)
    missing = {key: assigned[key] - exposed.get(key, 0) for key in assigned}
    total, whole = sum(missing.values()), sum(assigned.values())
    if min(missing.values()) < 0 or total < _FEWEST:
        return
    kept = [assigned[key] - missing[key] for key in assigned]
    _, p = homogeneity(kept, list(missing.values()))
    if total <= _MANY * whole and p >= _SOME / 10:
        return
    spelled = ", ".join(f"{key} {percent(missing[key], assigned[key])}" for key in assigned)
    yield Finding(
        code=FindingCode.MISSING_EXPOSURES,
        severity=Severity.WARNS,
        summary=f"{total} of {whole} units that were given a variant have no exposure"
        f" ({spelled}; p that the arms miss alike = {p:.2g}).",
        advice="Who asks with trackImpression: false has to record the exposure when the variant"
        " is shown; look for what keeps one arm from doing so.",
        evidence={"assigned": dict(assigned), "missing": missing, "p": p},
    )


def _told(senders: list[SenderFigures]) -> list[dict[str, Any]]:
    names = ("sender_id", "source", "batches", "events", "repeated_batches", "lost_events")
    return [{name: getattr(each, name) for name in names} for each in senders[:_MOST_SENDERS]]
