"""What of the condition dialect a metric may ask of events: what every warehouse answers alike."""

from typing import Final

from fairlot.manifest.nodes import ListNode, MapNode, Node, Scalar, shown
from fairlot.manifest.problems import Problems

_LOGIC: Final = ("$and", "$or")
_OF_VALUES: Final = frozenset({"$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$exists"})
_OF_LISTS: Final = frozenset({"$in", "$nin"})
_ORDERED: Final = frozenset({"$lt", "$lte", "$gt", "$gte"})
_KNOWN: Final = "$eq $ne $lt $lte $gt $gte $in $nin $exists, and $and $or $not around properties"
_NUL: Final = "\0"  # which events are refused with, and no engine takes
_SCALAR_FIX: Final = "compare with a text, a number, true or false"


def check_where(where: MapNode, path: str, problems: Problems) -> None:
    """Adds a problem for each operator that metrics do not know, and each value that is none."""
    for key, operand in where.entries.items():
        at, line = f"{path}.{key}", where.key_lines[key]
        if key == "$not":
            _check_inner(operand, at, line, problems)
        elif key in _LOGIC and isinstance(operand, ListNode):
            for index, item in enumerate(operand.items):
                _check_inner(item, f"{at}[{index}]", item.line, problems)
        elif key.startswith("$"):
            problems.add(line, at, shown(operand), f"{key} is not for metrics; use {_KNOWN}")
        elif _NUL in key:
            problems.add(line, at, shown(operand), "no property has U+0000 in its name")
        elif isinstance(operand, MapNode) and operand.entries:
            _check_operators(operand, at, problems)
        else:
            _check_scalar(operand, at, line, problems)


def _check_inner(node: Node, path: str, line: int, problems: Problems) -> None:
    if isinstance(node, MapNode):
        check_where(node, path, problems)
    else:
        problems.add(line, path, shown(node), "a rule is an object of attributes and operators")


def _check_operators(operators: MapNode, path: str, problems: Problems) -> None:
    for name, operand in operators.entries.items():
        at, line = f"{path}.{name}", operators.key_lines[name]
        if name in _OF_LISTS and isinstance(operand, ListNode):
            for index, item in enumerate(operand.items):
                _check_scalar(item, f"{at}[{index}]", item.line, problems)
        elif not name.startswith("$"):
            fix = (
                f"write the path of what lies inside with dots, as in {path.split('.')[-1]}.{name}"
            )
            problems.add(line, at, shown(operand), fix)
        elif name == "$exists" and not (
            isinstance(operand, Scalar) and isinstance(operand.value, bool)
        ):
            problems.add(line, at, shown(operand), "write true or false")
        elif name not in _OF_VALUES:
            problems.add(line, at, shown(operand), f"{name} is not for metrics; use {_KNOWN}")
        elif name in _ORDERED and not _is_ordered(operand):
            problems.add(line, at, shown(operand), "compare with a text or a number")
        else:
            _check_scalar(operand, at, line, problems)


def _check_scalar(node: Node, path: str, line: int, problems: Problems) -> None:
    if not isinstance(node, Scalar) or node.value is None:
        fix = f"{_SCALAR_FIX}; for what is missing write {{$exists: false}}"
        problems.add(line, path, shown(node), fix)
    elif isinstance(node.value, str) and _NUL in node.value:
        problems.add(line, path, shown(node), "no property holds U+0000")


def _is_ordered(node: Node) -> bool:
    value = node.value if isinstance(node, Scalar) else None
    return isinstance(value, str | int | float) and not isinstance(value, bool)
