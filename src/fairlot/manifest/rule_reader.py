"""What an audience rule may not say although evaluation would tolerate it, or says misspelt.

All else about rules is the engine's to judge.
"""

from typing import Final

from fairlot.engine import OPERATORS
from fairlot.manifest.nodes import ListNode, MapNode, Node, shown
from fairlot.manifest.problems import PAGE, Problems, suggestion

LIST_OPERATORS: Final = frozenset({"$in", "$nin", "$ini", "$nini", "$all", "$alli"})


def check_rule(rule: Node, path: str, problems: Problems, *, is_operand: bool = False) -> None:
    """Add a problem for each unknown operator, each list operator without a list, and each operand
    of an attribute whose keys are all operators but for their $.

    Every key that begins with $ is taken for an operator, also inside a value to compare with.
    """
    if isinstance(rule, ListNode):
        for index, item in enumerate(rule.items):
            check_rule(item, f"{path}[{index}]", problems)
    elif isinstance(rule, MapNode):
        is_bare = is_operand and all(f"${key}" in OPERATORS for key in rule.entries)
        for key, operand in rule.entries.items():
            at = f"{path}.{key}"
            if is_bare:
                fix = f"an operator begins with $; did you mean ${key}?"
                problems.add(rule.key_lines[key], at, shown(operand), fix)
            elif key.startswith("$") and key not in OPERATORS:
                fix = f"{key} is not an operator; {suggestion(key, OPERATORS, PAGE)}"
                problems.add(rule.key_lines[key], at, shown(operand), fix)
            elif key in LIST_OPERATORS and not isinstance(operand, ListNode):
                fix = f"{key} takes a list, as in {key}: [a, b]"
                problems.add(rule.key_lines[key], at, shown(operand), fix)
            else:
                inside = (is_operand and key != "$elemMatch") or not key.startswith("$")
                check_rule(operand, at, problems, is_operand=inside)
