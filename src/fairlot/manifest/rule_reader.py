"""What an audience rule may not say although evaluation would tolerate it, or says misspelt.

All else about rules is the engine's to judge.
"""

from typing import Final

from fairlot.engine import OPERATORS
from fairlot.engine.conditions import LOGIC_OPERATORS
from fairlot.manifest.nodes import ListNode, MapNode, Node, shown
from fairlot.manifest.problems import Problems, suggestion

LIST_OPERATORS: Final = frozenset({"$in", "$nin", "$ini", "$nini", "$all", "$alli"})
_LISTS_OF_RULES: Final = frozenset(LOGIC_OPERATORS) - {"$not"}


def check_rule(rule: Node, path: str, problems: Problems) -> None:
    """Add a problem for each unknown operator and for each list operator without a list."""
    if not isinstance(rule, MapNode):
        return
    for key, operand in rule.entries.items():
        at = f"{path}.{key}"
        if key == "$not":
            check_rule(operand, at, problems)
        elif key in LOGIC_OPERATORS:
            for index, item in enumerate(_items(operand)):
                check_rule(item, f"{at}[{index}]", problems)
        elif not key.startswith("$"):
            _check_value(operand, at, problems)
        elif key not in OPERATORS:
            _add_unknown(rule.key_lines[key], key, at, problems)


def operator_object(node: Node) -> MapNode | None:
    """`node` when it is a mapping whose keys are all operators."""
    if not isinstance(node, MapNode) or not node.entries:
        return None
    return node if all(key.startswith("$") for key in node.entries) else None


def _check_value(value: Node, path: str, problems: Problems) -> None:
    """What one attribute is compared with: a plain value, or operators with their operands."""
    operators = operator_object(value)
    if operators is None:
        return
    for name, operand in operators.entries.items():
        at = f"{path}.{name}"
        if name not in OPERATORS:
            _add_unknown(operators.key_lines[name], name, at, problems)
        elif name in LIST_OPERATORS and not isinstance(operand, ListNode):
            fix = f"{name} takes a list, as in {name}: [a, b]"
            problems.add(operators.key_lines[name], at, shown(operand), fix)
        else:
            _check_operand(name, operand, at, problems)


def _check_operand(name: str, operand: Node, path: str, problems: Problems) -> None:
    if name in ("$not", "$size"):
        _check_value(operand, path, problems)
    elif name in ("$all", "$alli"):
        for index, item in enumerate(_items(operand)):
            _check_value(item, f"{path}[{index}]", problems)
    elif name == "$elemMatch":
        operators = operator_object(operand)
        if operators is None or set(operators.entries) <= _LISTS_OF_RULES:
            check_rule(operand, path, problems)
        else:
            _check_value(operand, path, problems)


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, ListNode) else ()


def _add_unknown(line: int, name: str, path: str, problems: Problems) -> None:
    problems.add(line, path, "", f"{name} is not an operator; {suggestion(name, OPERATORS)}")
