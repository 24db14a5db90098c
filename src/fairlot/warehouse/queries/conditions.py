"""The conditions of metrics over properties of events, as SQL: the engine's dialect, its scalars.

A property comes in two columns: `raw`, its JSON, whose first character tells its type, and `text`,
a string as it reads. Missing and null are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any, Final

import ibis
from ibis.expr.types import BooleanValue, FloatingValue, StringValue, Table

from fairlot.engine.conditions import is_operator_object
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.sources import property_column

_NUMBER_STARTS: Final = ("-", *"0123456789")


class _Property:
    """What is under a path, in each of the types that it may have."""

    def __init__(self, events: Table, path: str) -> None:
        names = path.split(".")
        self._raw: StringValue = events[property_column(names, "raw")]
        self.text: StringValue = events[property_column(names, "text")]
        self._start = self._raw.substr(0, 1)

    def is_string(self) -> BooleanValue:
        return self.is_there() & (self._start == '"')

    def is_number(self) -> BooleanValue:
        return self.is_there() & self._start.isin(_NUMBER_STARTS)

    def is_there(self) -> BooleanValue:
        return self._raw.notnull() & (self._raw.fill_null("null") != "null")

    def is_json(self, json: str) -> BooleanValue:
        return self.is_there() & (self._raw.fill_null("null") == json)

    def number(self) -> FloatingValue:
        return ibis.ifelse(self.is_number(), self._raw, "0").cast("float64")


def holds(events: Table, where: Mapping[str, Any]) -> BooleanValue:
    """Whether the properties of an event satisfy `where`: never null."""
    return _all([_entry(events, key, operand) for key, operand in where.items()])


def _entry(events: Table, key: str, operand: Any) -> BooleanValue:
    if key == "$not":
        return ~holds(events, operand)
    if key in _LOGIC:
        return _LOGIC[key]([holds(events, rule) for rule in operand])
    if key.startswith("$"):
        raise UnusableQuestion("where", f"{key} is no operator of a metric's conditions")
    return _value(_Property(events, key), operand)


def _value(found: _Property, operand: Any) -> BooleanValue:
    if not is_operator_object(operand):
        return _equals(found, operand)
    return _all([_operator(found, name, value) for name, value in operand.items()])


def _operator(found: _Property, name: str, operand: Any) -> BooleanValue:
    if name == "$not":
        return ~_value(found, operand)
    if name not in _OPERATORS:
        raise UnusableQuestion("where", f"{name} is no operator of a metric's conditions")
    return _OPERATORS[name](found, operand)


def _equals(found: _Property, operand: Any) -> BooleanValue:
    if operand is None:
        return ~found.is_there()
    if isinstance(operand, bool):
        return found.is_json("true" if operand else "false")
    if isinstance(operand, str):
        return found.is_string() & (found.text.fill_null("") == operand)
    if isinstance(operand, int | float):
        return found.is_number() & (found.number() == float(operand))
    raise UnusableQuestion("where", f"{operand!r} is no scalar; compare with text or numbers")


def _ordered(compare: Callable[[Any, Any], BooleanValue]) -> "_Operator":
    """Numbers with numbers, strings with strings; nothing else is in any order."""

    def build(found: _Property, operand: Any) -> BooleanValue:
        if isinstance(operand, str):
            return found.is_string() & compare(found.text.fill_null(""), operand)
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return found.is_number() & compare(found.number(), float(operand))
        return _never()

    return build


def _member(found: _Property, operand: Any) -> BooleanValue:
    """Of arrays, which the engine looks into, no element is looked at."""
    if not isinstance(operand, Sequence) or isinstance(operand, str):
        return _never()
    return _any([_equals(found, each) for each in operand])


def _exists(found: _Property, operand: Any) -> BooleanValue:
    return found.is_there() if operand else ~found.is_there()


def _all(parts: Sequence[BooleanValue]) -> BooleanValue:
    return reduce(and_, parts) if parts else ibis.literal(True)


def _any(parts: Sequence[BooleanValue]) -> BooleanValue:
    return reduce(or_, parts) if parts else _never()


def _never() -> BooleanValue:
    return ibis.literal(False)


def _negated(build: "_Operator") -> "_Operator":
    return lambda found, operand: ~build(found, operand)


_Operator = Callable[[_Property, Any], BooleanValue]
_LOGIC: Final[Mapping[str, Callable[[Sequence[BooleanValue]], BooleanValue]]] = {
    "$and": _all,
    "$or": _any,
}
_OPERATORS: Final[Mapping[str, _Operator]] = {
    "$eq": _equals,
    "$ne": _negated(_equals),
    "$lt": _ordered(lt),
    "$lte": _ordered(le),
    "$gt": _ordered(gt),
    "$gte": _ordered(ge),
    "$in": _member,
    "$nin": _negated(_member),
    "$exists": _exists,
}
