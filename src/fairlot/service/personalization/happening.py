"""A happening among what its subject did before and after it."""

from bisect import bisect_left, bisect_right

from fairlot.engine import History, Occurrence
from fairlot.profiles import Happening
from fairlot.service.personalization.rules import CompiledEventRule


def counted_in(history: History, happening: Happening) -> History:
    """The history with the happening, the latest first."""
    known = history.get(happening.name, ())
    occurrence = Occurrence(happening.at_ms, happening.properties)
    at = bisect_left(known, -happening.at_ms, key=lambda each: -each.at_ms)
    return {**history, happening.name: (*known[:at], occurrence, *known[at:])}


def holds_now(when: CompiledEventRule, history: History, happening: Happening) -> bool:
    """Whether the happening satisfies the rule, itself counted in, at its own moment."""
    if not when.counts(happening.properties):
        return False
    at_ms = happening.at_ms
    return when.once or _holds_at(when, _matching(when, history, happening, at_ms), at_ms)


def held_at(
    when: CompiledEventRule, history: History, happening: Happening, from_ms: int
) -> int | None:
    """The first moment, `from_ms` or later, at which the rule holds because of the happening: its
    own, or when it comes late, that of a later event which it completes the count for."""
    if not when.counts(happening.properties):
        return None
    if when.once:
        return happening.at_ms if happening.at_ms >= from_ms else None
    last_ms = happening.at_ms + when.within_ms
    matching = _matching(when, history, happening, last_ms - 1)
    later = (
        each.at_ms
        for each in reversed(history[happening.name])
        if max(happening.at_ms, from_ms) <= each.at_ms < last_ms
    )
    return next((moment_ms for moment_ms in later if _holds_at(when, matching, moment_ms)), None)


def _matching(
    when: CompiledEventRule, history: History, happening: Happening, until_ms: int
) -> list[int]:
    """The moments of what counts, the earliest first: all that a window may hold which ends with
    the happening or later, `until_ms` at the latest."""
    window_ms = when.window_ms
    since_ms = None if window_ms is None else happening.at_ms - window_ms
    return [
        each.at_ms
        for each in reversed(history[happening.name])
        if each.at_ms <= until_ms
        and (since_ms is None or each.at_ms > since_ms)
        and when.matches(each)
    ]


def _holds_at(when: CompiledEventRule, matching: list[int], moment_ms: int) -> bool:
    begin = 0 if when.window_ms is None else bisect_right(matching, moment_ms - when.window_ms)
    return bisect_right(matching, moment_ms) - begin >= when.count
