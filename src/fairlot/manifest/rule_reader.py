"""What a rule may not say although evaluation would tolerate it, or says misspelt.

All else about rules is the engine's to judge.
"""

from dataclasses import dataclass
from typing import Any, Final

from fairlot.engine import OPERATORS
from fairlot.engine.conditions import GROUP_OPERATORS
from fairlot.manifest.fields import Fields, JsonSchema, Shape, Table
from fairlot.manifest.names import Names, unknown_name
from fairlot.manifest.nodes import ListNode, MapNode, Node, Scalar, shown
from fairlot.manifest.problems import PAGE, Problems, suggestion
from fairlot.manifest.rule_schema import RULE_SCHEMA
from fairlot.manifest.shapes import JsonObject

_MAPPING: Final = JsonObject(Table((), is_open=True))

LIST_OPERATORS: Final = frozenset({"$in", "$nin", "$ini", "$nini", "$all", "$alli"})


class Rule(Shape[dict[str, Any]]):
    """A mapping, up to 64 KiB as JSON; what it says is for `RuleCheck` and the engine to judge."""

    def read(self, fields: Fields, name: str, node: Node) -> dict[str, Any] | None:
        return _MAPPING.read(fields, name, node)

    def schema(self) -> JsonSchema:
        return {"allOf": [RULE_SCHEMA]}


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """Adds a problem for each unknown operator, list operator without a list, name of a list
    segment that is none, and operand of an attribute whose keys are all operators but for their $.

    Every key that begins with $ is taken for an operator, also inside a value to compare with.
    """

    problems: Problems
    names: Names

    def check(self, rule: Node, path: str, *, is_operand: bool = False) -> None:
        if self.problems.is_full:
            return
        if isinstance(rule, ListNode):
            for index, item in enumerate(rule.items):
                self.check(item, f"{path}[{index}]")
        elif isinstance(rule, MapNode):
            is_bare = is_operand and all(f"${key}" in OPERATORS for key in rule.entries)
            for key, operand in rule.entries.items():
                fix = self._fix_of_bare(key) if is_bare else self._fix_of(key, operand)
                if fix is not None:
                    line = rule.key_lines[key]
                    self.problems.add(line, f"{path}.{key}", shown(operand), fix)
                    continue
                inside = (is_operand and key != "$elemMatch") or not key.startswith("$")
                self.check(operand, f"{path}.{key}", is_operand=inside)

    def _fix_of_bare(self, key: str) -> str:
        return f"an operator begins with $; did you mean ${key}?"

    def _fix_of(self, key: str, operand: Node) -> str | None:
        if not key.startswith("$"):
            return None
        if key not in OPERATORS:
            return f"{key} is not an operator; {suggestion(key, OPERATORS, PAGE)}"
        if key in LIST_OPERATORS and not isinstance(operand, ListNode):
            return f"{key} takes a list, as in {key}: [a, b]"
        return self._fix_of_group(operand) if key in GROUP_OPERATORS else None

    def _fix_of_group(self, operand: Node) -> str | None:
        if not isinstance(operand, Scalar) or not isinstance(operand.value, str):
            return "name a list segment by its key"
        name = operand.value
        if name in self.names.lists:
            return None
        if name in self.names.segments:
            return "this segment is no list; name it under `segments`, or write its rule here"
        return unknown_name("segment", name, self.names.lists)
