"""The conditions of metrics over properties of events, as SQL: the engine's dialect, its scalars.

The property `value` is the value of the event, unless the properties have one called so. A property
comes in two columns: `raw`, its JSON, whose first character tells its type, and `text`, a string as
it reads. Missing and null are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any, Final

import ibis
from ibis.expr.types import BooleanValue, NumericValue, StringValue, Table

from fairlot.engine.conditions import is_operator_object
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.sources import property_column

VALUE: Final = "value"
_NUMBER_STARTS: Final = ("-", *"0123456789")


@dataclass(frozen=True, slots=True)
class Properties:
    """Of `events`, with the number that each path has among their columns."""

    events: Table
    paths: Mapping[str, int]


class _Property:
    """What is under a path, in each of the types that it may have."""

    def __init__(self, of: Properties, path: str) -> None:
        events, number = of.events, of.paths[path]
        self._raw: StringValue = events[property_column(number, "raw")].fill_null("null")
        self.text: StringValue = events[property_column(number, "text")].fill_null("")
        self._start = self._raw.substr(0, 1)
        self._value: NumericValue | None = events.value if path == VALUE else None

    def is_string(self) -> BooleanValue:
        return self._start == '"'

    def is_number(self) -> BooleanValue:
        written = self._start.isin(_NUMBER_STARTS)
        return written if self._value is None else written | self._is_value()

    def is_there(self) -> BooleanValue:
        written = self._raw != "null"
        return written if self._value is None else written | self._is_value()

    def is_json(self, json: str) -> BooleanValue:
        return self._raw == json

    def number(self) -> NumericValue:
        raw = ibis.ifelse(self._start.isin(_NUMBER_STARTS), self._raw, "0").cast("float64")
        if self._value is None:
            return raw
        return ibis.ifelse(self._is_value(), self._value, raw)

    def _is_value(self) -> BooleanValue:
        if self._value is None:
            return _never()
        return (self._raw == "null") & self._value.notnull()


def holds(of: Properties, where: Mapping[str, Any]) -> BooleanValue:
    """Whether the properties of an event satisfy `where`: never null."""
    return _all([_entry(of, key, operand) for key, operand in where.items()])


def _entry(of: Properties, key: str, operand: Any) -> BooleanValue:
    if key == "$not":
        return ~holds(of, operand)
    if key in _LOGIC:
        return _LOGIC[key]([holds(of, rule) for rule in operand])
    if key.startswith("$"):
        raise UnusableQuestion("where", f"{key} is no operator of a metric's conditions")
    return _value(_Property(of, key), operand)


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
        return found.is_string() & (found.text == operand)
    if isinstance(operand, int | float):
        return found.is_number() & (found.number() == float(operand))
    raise UnusableQuestion("where", f"{operand!r} is no scalar; compare with text or numbers")


def _ordered(compare: Callable[[Any, Any], BooleanValue]) -> "_Operator":
    """Numbers with numbers, strings with strings; nothing else is in any order."""

    def build(found: _Property, operand: Any) -> BooleanValue:
        if isinstance(operand, str):
            return found.is_string() & compare(found.text, operand)
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
    "$or": lambda parts: _any(parts) if parts else _all(parts),
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
