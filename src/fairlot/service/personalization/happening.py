"""A happening among what its subject did before and after it."""

from fairlot.engine import History, Occurrence
from fairlot.profiles import Happening
from fairlot.service.personalization.rules import CompiledEventRule


def counted_in(history: History, happening: Happening) -> History:
    """The history with the happening, the latest first."""
    known = history.get(happening.name, ())
    at = next((i for i, each in enumerate(known) if each.at_ms <= happening.at_ms), len(known))
    occurrence = Occurrence(happening.at_ms, happening.properties)
    return {**history, happening.name: (*known[:at], occurrence, *known[at:])}


def holds_now(when: CompiledEventRule, history: History, happening: Happening) -> bool:
    """Whether the happening satisfies the rule, itself counted in, at its own moment."""
    if not when.counts(happening.properties):
        return False
    return when.once or when.holds_at(history, happening.at_ms)


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
    later = (
        each.at_ms
        for each in reversed(history[happening.name])
        if max(happening.at_ms, from_ms) <= each.at_ms < last_ms
    )
    return next((moment_ms for moment_ms in later if when.holds_at(history, moment_ms)), None)
