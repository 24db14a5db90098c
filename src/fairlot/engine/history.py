"""Conditions over what a subject did."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from weakref import ref

from fairlot.engine.conditions import compile_condition
from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.model import EventRule, History, ListSegment, Occurrence

HistoryTest = Callable[[History, int], bool]
"""Of a history, and the moment in ms that windows end at, itself included."""
MAX_COUNT = 1_000
MAX_WITHIN_MS = 400 * 86_400_000


def compile_event_rule(
    rule: EventRule, lists: Mapping[str, ListSegment] | None = None
) -> HistoryTest:
    """Raises InvalidExperiment. What happens after the moment does not count."""
    check_event_rule(rule)
    with located("where"):
        holds = remembered(compile_condition(rule.where, lists)) if rule.where else None
    event, count, within_ms = rule.event, rule.count, rule.within_ms

    def test(history: History, now_ms: int) -> bool:
        found = history.get(event, ())
        if within_ms is not None or (found and found[0].at_ms > now_ms):
            since_ms = None if within_ms is None else now_ms - within_ms
            found = _between(found, since_ms, now_ms)
        if holds is None:
            return len(found) >= count
        return sum(1 for _ in islice(filter(holds, found), count)) == count

    return test


def remembered(counts: Callable[[Mapping[str, Any]], bool]) -> Callable[[Occurrence], bool]:
    """The same of an occurrence, which is asked once; what is known of one goes with it."""
    known: dict[int, tuple[ref[Occurrence], bool]] = {}

    def matches(occurrence: Occurrence) -> bool:
        key = id(occurrence)
        found = known.get(key)
        if found is None:
            found = (
                ref(occurrence, lambda _gone: known.pop(key, None)),
                counts(occurrence.properties),
            )
            known[key] = found
        return found[1]

    return matches


def check_event_rule(rule: EventRule) -> None:
    if not 1 <= rule.count <= MAX_COUNT:
        raise InvalidExperiment("count", rule.count, f"use 1 to {MAX_COUNT}")
    if rule.within_ms is not None and not 0 < rule.within_ms <= MAX_WITHIN_MS:
        raise InvalidExperiment("within", rule.within_ms, "use more than 0 s, 400 days at most")


def _between(
    occurrences: Sequence[Occurrence], since_ms: int | None, until_ms: int
) -> list[Occurrence]:
    """Those after `since_ms`, up to `until_ms`."""
    return [
        each
        for each in occurrences
        if each.at_ms <= until_ms and (since_ms is None or each.at_ms > since_ms)
    ]
