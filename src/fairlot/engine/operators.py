"""The operators of the condition dialect on one value: each builds a test from its operand.

The dialect is the one that GrowthBook's targeting made known (observed on growthbook 4.0.0);
where ours differs, docs/decisions/ says why. Missing and null are one and the same: None.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fairlot.engine.errors import InvalidExperiment
from fairlot.engine.hashing import utf8
from fairlot.engine.model import ListSegment
from fairlot.engine.patterns import compile_regex

Test = Callable[[Any], bool]

MAX_LIST_VALUES: Final = 500


def json_type(value: object) -> str:
    """The JSON name of a value's type; `undefined` for what JSON cannot hold."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return "array"
    return "undefined"


def deep_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values, strict in types: true is not 1, but 1 equals 1.0."""
    kind = json_type(left)
    if kind != json_type(right):
        return False
    if kind == "array":
        return len(left) == len(right) and all(map(deep_equal, left, right))
    if kind == "object":
        return left.keys() == right.keys() and all(deep_equal(left[k], right[k]) for k in left)
    return bool(left == right)


def deep_equals(operand: Any) -> Test:
    """A plain value in a rule: compared deeply."""
    if isinstance(operand, str):
        return lambda value: isinstance(value, str) and value == operand
    return lambda value: deep_equal(value, operand)


def equals(operand: Any) -> Test:
    """`$eq`: scalars only; an array or an object on either side never equals."""
    if json_type(operand) in ("array", "object"):
        return never
    return deep_equals(operand)


def never(value: object) -> bool:
    return False


def negated(build: Callable[[Any], Test]) -> Callable[[Any], Test]:
    """The operator that holds exactly where `build`'s does not."""

    def build_negation(operand: Any) -> Test:
        test = build(operand)
        return lambda value: not test(value)

    return build_negation


def ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    """Order within numbers, or within strings by code point; other pairs are unordered."""

    def build(operand: Any) -> Test:
        kind = json_type(operand)
        if kind not in ("number", "string"):
            return never
        return lambda value: json_type(value) == kind and holds(value, operand)

    return build


def folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def scalars_of(values: Sequence[Any]) -> tuple[frozenset[str], tuple[Any, ...]]:
    """The strings among `values`, and the other scalars; membership compares nothing else."""
    strings = frozenset(value for value in values if isinstance(value, str))
    others = (value for value in values if json_type(value) in ("null", "boolean", "number"))
    return strings, tuple(others)


def member(operand: Any) -> Test:
    """`$in`: the value, or any element when it is an array, is one of the operand's scalars."""
    if not isinstance(operand, Sequence) or isinstance(operand, str):
        return never
    if len(operand) > MAX_LIST_VALUES:
        raise InvalidExperiment("", f"{len(operand)} values", "put long lists into a list segment")
    strings, others = scalars_of(operand)

    def is_member(value: Any) -> bool:
        if isinstance(value, str):
            return value in strings
        if isinstance(value, list | tuple):
            return any(map(scalar_is_member, value))
        return scalar_is_member(value)

    def scalar_is_member(value: Any) -> bool:
        if isinstance(value, str):
            return value in strings
        return any(deep_equal(value, item) for item in others)

    return is_member


def member_folded(operand: Any) -> Test:
    """`$ini`: `$in` with the strings of both sides in lower case."""
    if not isinstance(operand, Sequence) or isinstance(operand, str):
        return never
    is_member = member([folded(item) for item in operand])

    def is_member_folded(value: Any) -> bool:
        if isinstance(value, list | tuple):
            return is_member([folded(item) for item in value])
        return is_member(folded(value))

    return is_member_folded


def exists(operand: Any) -> Test:
    if operand:
        return lambda value: value is not None
    return lambda value: value is None


def of_type(operand: Any) -> Test:
    return lambda value: json_type(value) == operand


def matches(*, ignore_case: bool) -> Callable[[Any], Test]:
    def build(operand: Any) -> Test:
        search = compile_regex(operand, ignore_case=ignore_case)
        return lambda value: isinstance(value, str) and search(value)

    return build


def versions(holds: Callable[[str, str], bool]) -> Callable[[Any], Test]:
    """Version comparison between strings; anything else is not ordered."""

    def build(operand: Any) -> Test:
        if not isinstance(operand, str):
            raise InvalidExperiment("", operand, "a version is a string, as in '1.2.3'")
        version = padded_version(operand)
        return lambda value: isinstance(value, str) and holds(padded_version(value), version)

    return build


def padded_version(text: str) -> str:
    """A spelling whose code point order is version order (GrowthBook's paddedVersionString).

    A release sorts after its pre-releases because `~` sorts after every letter and digit.
    """
    parts = re.split(r"[-.]", text.removeprefix("v").split("+")[0])
    if len(parts) == 3:
        parts.append("~")
    return "-".join(part.rjust(5) if part.isascii() and part.isdigit() else part for part in parts)


def in_list(segment: ListSegment) -> Test:
    """Membership in a list segment; of an array, that of any element."""
    if not segment.hashes:
        strings, others = scalars_of(segment.values)

        def is_listed(value: Any) -> bool:
            if isinstance(value, str):
                return value in strings
            return value is not None and any(deep_equal(value, item) for item in others)
    else:

        def is_listed(value: Any) -> bool:
            return isinstance(value, str) and member_hash(segment.salt, value) in segment.hashes

    def is_listed_or_any(value: Any) -> bool:
        return any(map(is_listed, value)) if isinstance(value, list | tuple) else is_listed(value)

    return is_listed_or_any


def member_hash(salt: str, value: str) -> str:
    """SHA-256 of salt and value, cut to 16 bytes, in lower-case hex."""
    return hashlib.sha256(utf8(salt + value)).digest()[:16].hex()


SCALAR_OPERATORS: Final[dict[str, Callable[[Any], Test]]] = {
    "$eq": equals,
    "$ne": negated(equals),
    "$lt": ordered(lambda value, operand: value < operand),
    "$lte": ordered(lambda value, operand: value <= operand),
    "$gt": ordered(lambda value, operand: value > operand),
    "$gte": ordered(lambda value, operand: value >= operand),
    "$in": member,
    "$nin": negated(member),
    "$ini": member_folded,
    "$nini": negated(member_folded),
    "$exists": exists,
    "$type": of_type,
    "$regex": matches(ignore_case=False),
    "$regexi": matches(ignore_case=True),
    "$notRegex": negated(matches(ignore_case=False)),
    "$notRegexi": negated(matches(ignore_case=True)),
    "$veq": versions(lambda value, operand: value == operand),
    "$vne": negated(versions(lambda value, operand: value == operand)),
    "$vlt": versions(lambda value, operand: value < operand),
    "$vlte": versions(lambda value, operand: value <= operand),
    "$vgt": versions(lambda value, operand: value > operand),
    "$vgte": versions(lambda value, operand: value >= operand),
}
