"""What does not fit the struct that is asked for, as `path: value: what to write`.

A decoder says which of its own types it expected. Whoever sent the request has not seen those, so
only the place is taken of what it says: what may stand there is told by the struct.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

from fairlot.manifest.problems import nearest, printable, suggestion

ALLOWED: Final = "allowed"
"""In the `extra` of a text that has a pattern: what the pattern means, for people."""
_FIELD: Final = re.compile(r"Object (contains unknown|missing required) field `(.*?)`")
_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d{1,9}|\.\.\.)\]")
_LONGEST_VALUE: Final = 80
_HIDDEN: Final = object()
_JSON: Final = json.JSONEncoder(ensure_ascii=False)


def misfit(error: msgspec.ValidationError, asked: Any, given: Any, whole: str) -> str:
    """`given` is the request before it was fitted into `asked`, and `whole` what it is called: the
    body, the query."""
    said, _, place = str(error).partition(" - at `")
    path = place.partition("$")[2].removesuffix("`")
    kind, value = inspect.type_info(asked), given
    for step in _STEP.finditer(path):
        kind, value = _type_below(kind, step), _value_below(value, step)
    path = path.removeprefix(".").replace("[...]", ".*")
    if field := _FIELD.match(said):
        return _misfit_of_field(kind, value, f"{path}." if path else "", *field.groups())
    if place.startswith("key`"):
        names = [_written(each.key_type) for each in _alternatives(kind, inspect.DictType)]
        return f"{path}: write each name as {' or '.join(names)}"
    return f"{path or whole}: {_shown(value)}write {_written(kind, value)}"


def _misfit_of_field(kind: Any, value: Any, prefix: str, how: str, name: str) -> str:
    fields = {field.encode_name: field.type for field in _fields_of(kind)}
    if how == "missing required":
        return f"{prefix}{name}: missing; write {_written(fields.get(name))}"
    given = value.get(name, _HIDDEN) if isinstance(value, Mapping) else _HIDDEN
    fix = f"not a field here; {suggestion(name, fields)}"
    return f"{prefix}{printable(name)}: {_shown(given)}{fix}"


def _type_below(kind: Any, step: re.Match[str]) -> Any:
    """The type of what stands one step below a value of `kind`."""
    if step["name"] is not None:
        below = [field.type for field in _fields_of(kind) if field.encode_name == step["name"]]
    elif step["index"] == "...":
        below = [each.value_type for each in _alternatives(kind, inspect.DictType)]
    else:
        below = [each.item_type for each in _alternatives(kind, inspect.CollectionType)]
    return below[0] if below else None


def _value_below(value: Any, step: re.Match[str]) -> Any:
    """Hidden where nothing is, as a name of a field may look like a place, and in a mapping: the
    decoder does not say at which name."""
    name, index = step["name"], step["index"]
    if name is not None:
        return value.get(name, _HIDDEN) if isinstance(value, Mapping) else _HIDDEN
    is_there = index.isdigit() and isinstance(value, list) and int(index) < len(value)
    return value[int(index)] if is_there else _HIDDEN


def _fields_of(kind: Any) -> Sequence[inspect.Field]:
    return [field for struct in _alternatives(kind, inspect.StructType) for field in struct.fields]


def _alternatives(kind: Any, wanted: type) -> Sequence[Any]:
    """Those of the `wanted` sort that a value of `kind` may be of."""
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type, wanted)
    if isinstance(kind, inspect.UnionType):
        return [each for part in kind.types for each in _alternatives(part, wanted)]
    return (kind,) if isinstance(kind, wanted) else ()


def _shown(value: Any) -> str:
    if value is _HIDDEN:
        return ""
    text = ""
    for piece in _JSON.iterencode(value):
        text += piece
        if len(text) > _LONGEST_VALUE:
            break  # the rest may be megabytes, or nested deeper than anything can walk
    return printable(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}...") + ": "


def _written(kind: Any, value: Any = None) -> str:
    """How people write what is of the `kind`, null aside, and what they most likely meant."""
    if isinstance(kind, inspect.Metadata):
        words = (kind.extra or {}).get(ALLOWED)
        return " ".join(filter(None, (_written(kind.type, value), words)))
    if isinstance(kind, inspect.UnionType):
        parts = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return " or ".join(_written(each, value) for each in parts)
    noun, bounds_of = _NOUNS.get(type(kind), _OTHER)
    return f"{noun} {bounds_of(kind, value)}".rstrip()


def _no_bounds(_: Any, __: Any) -> str:
    return ""


def _choice(kind: Any, value: Any) -> str:
    known = kind.cls if isinstance(kind, inspect.EnumType) else kind.values
    words = [str(each) for each in known]
    near = nearest(value, words) if isinstance(value, str) else None
    return f"{', '.join(words)}{f'; did you mean {near}?' if near else ''}"


def _range(kind: Any, _: Any) -> str:
    bounds = {"over": kind.gt, "from": kind.ge, "below": kind.lt, "to": kind.le}
    return " ".join(f"{word} {bound:,}" for word, bound in bounds.items() if bound is not None)


def _length_in(unit: str) -> Callable[[Any, Any], str]:
    def length(kind: Any, _: Any) -> str:
        least, most = kind.min_length, kind.max_length
        if most is not None:
            return f"of {f'{least} to' if least else 'at most'} {most:,} {unit}"
        return f"of {least} or more {unit}" if least else ""

    return length


_LIST: Final = ("a list", _length_in("entries"))
_OTHER: Final = ("what docs/reference/routes.md says", _no_bounds)
_NOUNS: Final[Mapping[type, tuple[str, Callable[[Any, Any], str]]]] = {
    inspect.BoolType: ("true or false", _no_bounds),
    inspect.IntType: ("a whole number", _range),
    inspect.FloatType: ("a number", _range),
    inspect.StrType: ("a text", _length_in("characters")),
    inspect.DateTimeType: ("a moment with its offset, as in 2026-11-28T09:30:00Z", _no_bounds),
    inspect.EnumType: ("one of", _choice),
    inspect.LiteralType: ("one of", _choice),
    inspect.ListType: _LIST,
    inspect.VarTupleType: _LIST,
    inspect.SetType: _LIST,
    inspect.FrozenSetType: _LIST,
    inspect.DictType: ("an object", _no_bounds),
    inspect.StructType: ("an object", _no_bounds),
}
