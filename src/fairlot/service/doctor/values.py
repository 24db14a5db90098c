"""What the events say that no metric can count, and what anyone could have sent."""

from collections.abc import Iterator, Mapping
from typing import Final

from fairlot.service.doctor.case import Case, percent
from fairlot.service.doctor.events import Received, public_exposures, received_by_name
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Aggregate, Metric
from fairlot.warehouse.queries.totals import LARGEST_VALUE

_SOME: Final = 0.01
_MANY: Final = 0.05
_UNCOUNTED: Final = f"beyond {LARGEST_VALUE:g} or no number"


def check_received(case: Case) -> Iterator[Finding]:
    exposures, public = public_exposures(case)
    if public > _MANY * exposures:
        yield _public("exposures", public, exposures, None)
    received = received_by_name(case)
    yield from _odd_values(case, received)
    for metric in case.question.metrics:
        found = received.get(metric.numerator.event_name)
        if found is not None and not metric.counts_public and found.public > _MANY * found.events:
            name = f"{metric.numerator.event_name} events"
            yield _public(name, found.public, found.events, metric.key)


def _odd_values(case: Case, received: Mapping[str, Received]) -> Iterator[Finding]:
    for metric in case.question.metrics:
        name = _summed(metric)
        found = None if name is None else received.get(name)
        if found is None or name is None:
            continue
        odd = {
            "without a value": found.valueless,
            _UNCOUNTED: found.uncounted,
            "negative": found.negative,
        }
        told = {what: count for what, count in odd.items() if _is_odd(what, count, found)}
        if told:
            spelled = ", ".join(f"{count} {what}" for what, count in told.items())
            yield Finding(
                code=FindingCode.INVALID_VALUES,
                severity=Severity.WARNS,
                summary=f"Of {found.events} {name} events: {spelled}. Such values and absent"
                " ones count as 0, negative ones as they are.",
                advice="Send a number as the value of each event, in one unit; returns as an event"
                " of their own.",
                evidence={"event": name, "events": found.events, **told},
                metric=metric.key,
            )


def _is_odd(what: str, count: int, found: Received) -> bool:
    """A single one that does not count is one too many; some without a value are usual."""
    return count > 0 if what == _UNCOUNTED else count > _SOME * found.events


def _summed(metric: Metric) -> str | None:
    """The event whose values a metric adds up."""
    for total in (metric.numerator, metric.denominator):
        if total is not None and total.aggregate is Aggregate.SUM:
            return total.event_name
    return None


def _public(what: str, public: int, whole: int, metric: str | None) -> Finding:
    return Finding(
        code=FindingCode.PUBLIC_EVENTS,
        severity=Severity.WARNS,
        summary=f"{percent(public, whole)} of the {what} ({public}) were sent with a publishable"
        " credential, so anyone could have sent them; they do not count.",
        advice="Send them from a server with an API key, or say countsPublic on the metric if you"
        " accept them.",
        evidence={"public": public, "events": whole},
        metric=metric,
    )
