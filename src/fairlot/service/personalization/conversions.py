"""The conversions that servers send, as what subjects did: those that a rule or an audience asks
about."""

from collections import defaultdict
from collections.abc import Iterable

from fairlot.events import Conversion, Trust
from fairlot.profiles import Happening, claim_of_subject
from fairlot.service.profiles import Work
from fairlot.service.snapshot import ProjectServing

VALUE = "value"
"""The property that a conversion's value is, unless it has one called so."""


def works_of(project: ProjectServing, conversions: Iterable[Conversion]) -> list[Work]:
    """One for each subject, in the order in which it did things. Who does something away from a
    page is not seen there: `last_seen` and sessions stay as they are."""
    watched = project.rules.watching.keys() | project.history_wanted.keys()
    by_subject: defaultdict[str, list[Happening]] = defaultdict(list)
    for each in conversions:
        if each.event_name in watched and _counts(each):
            by_subject[each.subject_id].append(_happening(each))
    return [
        _work(project.project_id, subject_id, sorted(happened, key=lambda one: one.at_ms))
        for subject_id, happened in by_subject.items()
    ]


def _counts(conversion: Conversion) -> bool:
    """Profiles know nothing of before 1970."""
    return conversion.trust is Trust.SERVER and conversion.occurred_at_ms >= 0


def _work(project_id: str, subject_id: str, happened: list[Happening]) -> Work:
    return Work(
        project_id,
        claim_of_subject(subject_id),
        happened[0].at_ms,
        happenings=happened,
        is_seen=False,
        once=True,
    )


def _happening(conversion: Conversion) -> Happening:
    properties = dict(conversion.properties or {})
    if conversion.value is not None:
        properties.setdefault(VALUE, conversion.value)
    return Happening(
        event_id=conversion.event_id,
        name=conversion.event_name,
        at_ms=conversion.occurred_at_ms,
        properties=properties,
    )
