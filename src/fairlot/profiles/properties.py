"""What events give a property of their subject."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from fairlot.engine import PropertyRule, Take
from fairlot.engine.conditions import value_at
from fairlot.profiles.happenings import Happening
from fairlot.profiles.records import Property

MAX_TEXT: Final = 2_000
"""Longer texts are cut."""
_EXACT_UP_TO: Final = 2**53
Scalar = str | int | float | bool | None


def property_after(rule: PropertyRule, before: Property | None, happening: Happening) -> Property:
    """The property after an event that satisfies the rule. Where the event has no value, or an
    empty text, a list or an object, null is taken; HIGHEST, LOWEST and SUM take numbers only. What
    was taken in another way before is not gone on with."""
    value = _value_of(rule, happening.properties)
    new = Property(value=value, at_ms=happening.at_ms, take=rule.take)
    return new if before is None or before.take is not rule.take else joined_property(before, new)


def joined_property(before: Property, new: Property) -> Property:
    """Of two that were taken alike; of others the later one."""
    if before.take is not new.take:
        return max(before, new, key=lambda each: each.at_ms)
    is_first = new.take is Take.FIRST
    return Property(
        value=_TAKING[new.take](before, new),
        at_ms=(min if is_first else max)(before.at_ms, new.at_ms),
        count=before.count + new.count,
        take=new.take,
    )


def _value_of(rule: PropertyRule, properties: Mapping[str, Any]) -> Scalar:
    if rule.take is Take.COUNT:
        return 1
    found = value_at(properties, rule.value or "")
    return _number(found) if rule.take in _OF_NUMBERS else _scalar(found)


def _scalar(found: object) -> Scalar:
    if isinstance(found, str):
        return found[:MAX_TEXT] or None
    return found if isinstance(found, bool) else _number(found)


def _number(found: object) -> int | float | None:
    """None for what is no number, and for one that JSON does not have."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    if isinstance(found, int) and abs(found) <= _EXACT_UP_TO:
        return found
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _last(before: Property, new: Property) -> Scalar:
    return new.value if new.at_ms >= before.at_ms else before.value


def _first(before: Property, new: Property) -> Scalar:
    return new.value if new.at_ms < before.at_ms else before.value


def _highest(before: Property, new: Property) -> Scalar:
    return max(_numbers(before, new), default=None)


def _lowest(before: Property, new: Property) -> Scalar:
    return min(_numbers(before, new), default=None)


def _sum(before: Property, new: Property) -> Scalar:
    """What there is no number for is not added."""
    numbers = _numbers(before, new)
    total = _number(sum(numbers))
    return total if numbers and total is not None else before.value


def _numbers(before: Property, new: Property) -> list[int | float]:
    values = (_number(each.value) for each in (before, new))
    return [each for each in values if each is not None]


_OF_NUMBERS: Final = frozenset({Take.HIGHEST, Take.LOWEST, Take.SUM})
_TAKING: Final[Mapping[Take, Callable[[Property, Property], Scalar]]] = {
    Take.LAST: _last,
    Take.FIRST: _first,
    Take.HIGHEST: _highest,
    Take.LOWEST: _lowest,
    Take.SUM: _sum,
    Take.COUNT: _sum,
}
