"""Audience rules, interpreted anew at every call."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference.patterns import regex_finds

LOGIC = ("$and", "$or", "$nor")


@dataclass(frozen=True)
class Scope:
    """Without an account, `account` is an attribute like any other."""

    attributes: Mapping[str, Any]
    account: Mapping[str, Any] | None
    segments: Mapping[str, Mapping[str, Any]]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_operator_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(key.startswith("$") for key in value)


def same_scalar(a: Any, b: Any) -> bool:
    if isinstance(a, list | dict) or isinstance(b, list | dict):
        return False
    if is_number(a) and is_number(b):
        return bool(a == b)
    return type(a) is type(b) and bool(a == b)


def deep_equal(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(deep_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(deep_equal(a[key], b[key]) for key in a)
    return same_scalar(a, b)


def read_path(scope: Scope, path: str) -> Any:
    first, *rest = path.split(".")
    current: Any = scope.attributes
    if first == "account" and rest and scope.account is not None:
        current = scope.account
    else:
        rest = [first, *rest]
    for key in rest:
        if not isinstance(current, dict) or key not in current:
            return None
        current = current[key]
    return current


def rule_holds(rule: Mapping[str, Any], scope: Scope) -> bool:
    return all(entry_holds(key, operand, scope) for key, operand in rule.items())


def entry_holds(key: str, operand: Any, scope: Scope) -> bool:
    if key == "$and":
        return all(rule_holds(part, scope) for part in operand)
    if key == "$or":
        return not operand or any(rule_holds(part, scope) for part in operand)
    if key == "$nor":
        return not entry_holds("$or", operand, scope)
    if key == "$not":
        return not rule_holds(operand, scope)
    return value_holds(operand, read_path(scope, key), scope)


def value_holds(operand: Any, value: Any, scope: Scope) -> bool:
    if not is_operator_object(operand):
        return deep_equal(operand, value)
    return all(operator_holds(name, arg, value, scope) for name, arg in operand.items())


def operator_holds(name: str, arg: Any, value: Any, scope: Scope) -> bool:
    if name == "$not":
        return not value_holds(arg, value, scope)
    if name in ("$inGroup", "$notInGroup"):
        return is_member(value, scope.segments[arg]) == (name == "$inGroup")
    if name in ("$all", "$elemMatch", "$size"):
        return isinstance(value, list) and array_holds(name, arg, value, scope)
    if name.startswith("$v"):
        return version_holds(name, arg, value)
    if name in ("$lt", "$lte", "$gt", "$gte"):
        ordered = (is_number(arg) and is_number(value)) or (
            isinstance(arg, str) and isinstance(value, str)
        )
        return ordered and in_order(name[1:], value, arg)
    return plain_operator_holds(name, arg, value)


def plain_operator_holds(name: str, arg: Any, value: Any) -> bool:
    match name:
        case "$eq" | "$ne":
            return same_scalar(value, arg) == (name == "$eq")
        case "$in" | "$nin" | "$ini" | "$nini":
            fold = name.endswith("ni")
            return is_in(value, arg, fold) == (not name.startswith("$n"))
        case "$alli":
            return isinstance(value, list) and all(is_in(value, [item], True) for item in arg)
        case "$exists":
            return (value is not None) == bool(arg)
        case "$type":
            return bool(type_name(value) == arg)
        case "$regex" | "$regexi":
            return isinstance(value, str) and regex_finds(arg, value, name.endswith("i"))
        case "$notRegex" | "$notRegexi":
            return not plain_operator_holds("$r" + name[5:], arg, value)
    raise ValueError(f"unknown operator {name}")


def in_order(name: str, a: Any, b: Any) -> bool:
    """Python orders numbers by value and strings by code point, as the specification asks."""
    if name.endswith("e") and a == b:
        return True
    return bool(a < b) if name.startswith("l") else bool(a > b)


def is_in(value: Any, values: Any, fold: bool) -> bool:
    if not isinstance(values, list):
        return False
    folded = [item.lower() if fold and isinstance(item, str) else item for item in values]
    candidates = value if isinstance(value, list) else [value]
    return any(
        same_scalar(one.lower() if fold and isinstance(one, str) else one, item)
        for one in candidates
        for item in folded
    )


def array_holds(name: str, arg: Any, value: list[Any], scope: Scope) -> bool:
    if name == "$size":
        return value_holds(arg, len(value), scope)
    if name == "$all":
        return all(any(value_holds(item, one, scope) for one in value) for item in arg)
    if is_operator_object(arg) and not any(key in LOGIC for key in arg):
        return any(value_holds(arg, one, scope) for one in value)
    inner = (one if isinstance(one, dict) else {} for one in value)
    return any(rule_holds(arg, Scope(one, scope.account, scope.segments)) for one in inner)


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def padded_version(text: str) -> str:
    core = re.sub(r"^v", "", text).split("+", 1)[0]
    parts = re.split(r"[-.]", core)
    if len(parts) == 3:
        parts.append("~")
    return "-".join(part.rjust(5) if re.fullmatch("[0-9]+", part) else part for part in parts)


def version_holds(name: str, arg: Any, value: Any) -> bool:
    if not isinstance(value, str):
        return name == "$vne"
    a, b = padded_version(value), padded_version(arg)
    if name in ("$veq", "$vne"):
        return (a == b) == (name == "$veq")
    return in_order(name[2:], a, b)


def is_member(value: Any, segment: Mapping[str, Any]) -> bool:
    if isinstance(value, list):
        return any(is_member(one, segment) for one in value if not isinstance(one, list))
    if value is None:
        return False
    if "hashes" in segment:
        if not isinstance(value, str):
            return False
        digest = hashlib.sha256((segment["salt"] + value).encode()).hexdigest()
        return digest[:32] in segment["hashes"]
    return any(same_scalar(value, item) for item in segment["values"])
