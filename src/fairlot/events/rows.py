"""Read one row of a batch that did not decode at once, and say what is wrong with a bad one.

What a field must be is taken from the types of `sent.py`, which the strict decoder and the OpenAPI
document use too.
"""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import msgspec.inspect as types

from fairlot.engine.errors import shorten
from fairlot.events.sent import SentBatch, SentConversion, SentEvent, SentExposure, SentIdentity

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)
_KINDS: Final[Mapping[str, type[SentEvent]]] = {
    "exposure": SentExposure,
    "conversion": SentConversion,
    "identity": SentIdentity,
}
_AT_WANTED: Final = (
    "milliseconds since the epoch, or an RFC 3339 text with its offset such as"
    " 2026-11-23T06:00:00.000Z"
)
_EVENT_ID_ABSENT: Final = (
    "absent: send a UUID, or any text of 1 to 200 characters of your own; without it a row that is"
    " sent again would count twice"
)


class Complaint(NamedTuple):
    """`field` is empty when the row as a whole is meant."""

    field: str
    detail: str


class Rule(NamedTuple):
    """What a field must be, in words and as a test; `holds` never sees None."""

    wanted: str
    holds: Callable[[Any], bool]
    required: bool


def read_row(row: object) -> SentEvent | Complaint:
    """The event that a loosely decoded row is. Null is absence; properties are not looked into."""
    if not isinstance(row, dict):
        return Complaint("", f"{shorten(row)}: must be an object with a member kind")
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        return Complaint("kind", f"{_said(kind)}: must be one of {', '.join(_KINDS)}")
    wanted = _KINDS[kind]
    rules = rules_of(wanted)
    fields = {name: value for name, value in row.items() if name != "kind"}
    complaint = unknown_member(fields, rules) or _first_wrong(fields, rules)
    if complaint is not None:
        return complaint
    values = {name: value for name, value in fields.items() if value is not None}
    if isinstance(values["at"], str):
        values["at"] = instant_of(values["at"])
    return msgspec.convert(values | {"kind": kind}, wanted)


def batch_complaints(fields: Mapping[str, Any]) -> list[Complaint]:
    """What is wrong with a batch as such; its rows are not looked at."""
    rules = rules_of(SentBatch)
    unknown = unknown_member(fields, rules)
    wrong = (_complaint(name, fields.get(name), rule) for name, rule in rules.items())
    return [each for each in (unknown, *wrong) if each is not None]


def unknown_member(fields: Iterable[str], known: Iterable[str]) -> Complaint | None:
    names = tuple(known)
    for name in fields:
        if name not in names:
            return Complaint(shorten(name)[1:-1], f"not known; {_hint(name[:64], *names)}")
    return None


@lru_cache(maxsize=256)  # a sender makes the same mistake in every row, and comparing is slow
def _hint(name: str, *names: str) -> str:
    near = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def instant_of(text: str) -> int | None:
    """The milliseconds since the epoch, cut to whole ones, of an RFC 3339 text; else None."""
    if _INSTANT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return (moment - _EPOCH) // _MILLISECOND
    return None


def is_sound(text: str) -> bool:
    """Whether a text can be stored everywhere: no U+0000, no half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def rules_of(kind: type) -> Mapping[str, Rule]:
    """The rules of a struct's fields, by their names on the wire."""
    described = types.type_info(kind)
    if not isinstance(described, types.StructType):
        raise TypeError(f"{kind.__name__} is no struct")
    rules = {field.encode_name: _rule_of(field.type, field.required) for field in described.fields}
    if "at" in rules:
        rules["at"] = Rule(_AT_WANTED, _is_instant(rules["at"].holds), True)
    return rules


def _first_wrong(fields: Mapping[str, Any], rules: Mapping[str, Rule]) -> Complaint | None:
    for name, rule in rules.items():
        complaint = _complaint(name, fields.get(name), rule)
        if complaint is not None:
            return complaint
    return None


def _complaint(name: str, value: Any, rule: Rule) -> Complaint | None:
    if value is None:
        if not rule.required:
            return None
        detail = _EVENT_ID_ABSENT if name == "event_id" else f"absent: must be {rule.wanted}"
        return Complaint(name, detail)
    if rule.holds(value):
        return None
    return Complaint(name, f"{_said(value)}: must be {rule.wanted}")


def _said(value: object) -> str:
    return "absent" if value is None else shorten(value)


def _rule_of(kind: types.Type, required: bool) -> Rule:
    while isinstance(kind, types.Metadata):
        kind = kind.type
    if isinstance(kind, types.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, types.NoneType))
    wanted, holds = _RULES[type(kind)](kind)
    return Rule(wanted, holds, required)


def _text_rule(kind: Any) -> tuple[str, Callable[[Any], bool]]:
    least, most = kind.min_length or 0, kind.max_length or sys.maxsize

    def holds(value: Any) -> bool:
        return isinstance(value, str) and least <= len(value) <= most and is_sound(value)

    return f"a text of {least} to {most} characters, without U+0000 or half a surrogate pair", holds


def _integer_rule(kind: Any) -> tuple[str, Callable[[Any], bool]]:
    def holds(value: Any) -> bool:
        return type(value) is int and bool(kind.ge <= value <= kind.le)

    return f"an integer from {kind.ge} to {kind.le}", holds


def _number_rule(_kind: Any) -> tuple[str, Callable[[Any], bool]]:
    most = sys.float_info.max

    def holds(value: Any) -> bool:
        return type(value) in (int, float) and -most <= value <= most

    return "a finite number (no NaN, no infinity)", holds


def _choice_rule(kind: Any) -> tuple[str, Callable[[Any], bool]]:
    choices = [each.value for each in kind.cls]
    return f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices


def _object_rule(_kind: Any) -> tuple[str, Callable[[Any], bool]]:
    return "an object", lambda value: isinstance(value, dict)


def _list_rule(_kind: Any) -> tuple[str, Callable[[Any], bool]]:
    return "a list of objects", lambda value: isinstance(value, list)


def _is_instant(is_integer: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        if isinstance(value, str):
            return instant_of(value) is not None
        return is_integer(value)

    return holds


_RULES: Final[Mapping[type, Callable[[Any], tuple[str, Callable[[Any], bool]]]]] = {
    types.StrType: _text_rule,
    types.IntType: _integer_rule,
    types.FloatType: _number_rule,
    types.EnumType: _choice_rule,
    types.DictType: _object_rule,
    types.VarTupleType: _list_rule,
}
