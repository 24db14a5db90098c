"""Rules in MongoDB's query notation, compiled once into a function over attributes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeGuard

from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.model import Context, ListSegment
from fairlot.engine.operators import (
    MAX_LIST_VALUES,
    SCALAR_OPERATORS,
    Test,
    deep_equals,
    folded,
    in_list,
)

Condition = Callable[[Mapping[str, Any]], bool]
Rule = Callable[[str, Context], bool]

MAX_DEPTH: Final = 8
MAX_CLAUSES: Final = 200
ACCOUNT: Final = "account"

LOGIC_OPERATORS: Final = ("$and", "$or", "$nor", "$not")
NESTING_OPERATORS: Final = ("$not", "$size", "$elemMatch", "$all", "$alli")
GROUP_OPERATORS: Final = ("$inGroup", "$notInGroup")
OPERATORS: Final = frozenset(
    (*LOGIC_OPERATORS, *NESTING_OPERATORS, *GROUP_OPERATORS, *SCALAR_OPERATORS)
)


def compile_rule(rule: object, segments: Mapping[str, ListSegment]) -> Rule:
    """A function that says whether the subject of a context satisfies `rule`.

    Paths under `account` read the context's account, all others its attributes. Raises
    InvalidExperiment, its path relative to the rule, for what is outside the dialect or its
    limits: depth 8, 200 clauses, 500 values in a list.
    """
    return _Compiler(segments).rule(rule)


def compile_condition(rule: object, segments: Mapping[str, ListSegment] | None = None) -> Condition:
    """The same over one mapping of attributes, in which `account` is a name like any other."""
    return _Compiler(segments or {}).function(rule, "", 1)


def paths_read(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """The attribute paths that a rule looks at, in order, each once."""
    return tuple(dict.fromkeys(_paths_of(rule)))


def value_at(attributes: Mapping[str, Any], path: str) -> Any:
    """The value under a dotted path; None where there is none."""
    value: Any = attributes
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def is_operator_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and key.startswith("$") for key in value)
    )


def _paths_of(rule: Mapping[str, Any]) -> Iterator[str]:
    for key, operand in rule.items():
        if not key.startswith("$"):
            yield key
        else:
            for nested in [operand] if key == "$not" else operand:
                yield from _paths_of(nested)


def _joined(connective: str, parts: list[str], empty: str) -> str:
    return f"({f' {connective} '.join(parts)})" if parts else empty


def _at(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


class _Compiler:
    """Turns one rule into the source of a Python expression.

    The source holds names and connectives only: every operand, attribute name and test is bound
    under a name of ours in `bound`, so nothing that a rule says ever becomes code. One expression
    costs a third of nested closures, and rules are on the hot path.
    """

    def __init__(self, segments: Mapping[str, ListSegment]) -> None:
        self.segments = segments
        self.bound: dict[str, object] = {}
        self.clauses = 0
        self.reads_context = False

    def rule(self, rule: object) -> Rule:
        """The expression over the attributes and the account of a context."""
        self.reads_context = True
        source = self.condition(rule, "", 1)
        compiled: Rule = eval(f"lambda _subject_id, context: {source}", self.bound)  # noqa: S307
        return compiled

    def function(self, rule: object, path: str, depth: int) -> Condition:
        """The expression over one mapping: an element of a list, or all there is."""
        outer, self.reads_context = self.reads_context, False
        source = self.condition(rule, path, depth)
        self.reads_context = outer
        compiled: Condition = eval(f"lambda attributes: {source}", self.bound)  # noqa: S307
        return compiled

    def bind(self, value: object) -> str:
        name = f"bound_{len(self.bound)}"
        self.bound[name] = value
        return name

    def condition(self, rule: object, path: str, depth: int) -> str:
        if not isinstance(rule, Mapping):
            raise InvalidExperiment(path, rule, "a rule is an object of attributes and operators")
        if depth > MAX_DEPTH:
            raise InvalidExperiment(path, rule, f"nest at most {MAX_DEPTH} deep")
        entries = [self.entry(key, value, _at(path, key), depth) for key, value in rule.items()]
        return _joined("and", entries, "True")

    def entry(self, key: object, operand: object, path: str, depth: int) -> str:
        if not isinstance(key, str) or not key:
            raise InvalidExperiment(path, key, "an attribute is named by a non-empty string")
        if key == "$not":
            return f"(not {self.condition(operand, path, depth + 1)})"
        if key in LOGIC_OPERATORS:
            return self.logic(key, operand, path, depth)
        if key.startswith("$"):
            fix = "$and, $or, $nor and $not stand alone; other operators belong to an attribute"
            raise InvalidExperiment(path, key, fix)
        return self.attribute(key, operand, path, depth)

    def logic(self, operator: str, operand: object, path: str, depth: int) -> str:
        if not isinstance(operand, list | tuple):
            raise InvalidExperiment(path, operand, f"{operator} takes a list of rules")
        parts = [
            self.condition(rule, _at(path, index), depth + 1) for index, rule in enumerate(operand)
        ]
        if operator == "$and":
            return _joined("and", parts, "True")
        any_holds = _joined("or", parts, "True")
        return any_holds if operator == "$or" else f"(not {any_holds})"

    def attribute(self, name: str, operand: object, path: str, depth: int) -> str:
        test = self.value(operand, path, depth)
        root, rest = self.place_of(name)
        if not rest:
            return f"{self.bind(test)}({root})"
        if "." in rest:
            return f"{self.bind(test)}({self.bind(value_at)}({root}, {self.bind(rest)}))"
        value = f"{root}.get({self.bind(rest)})"
        if isinstance(operand, str):
            return f"({value} == {self.bind(operand)})"
        if is_operator_object(operand) and operand.keys() == {"$in"}:
            return self.string_member(value, operand["$in"], test)
        return f"{self.bind(test)}({value})"

    def place_of(self, name: str) -> tuple[str, str]:
        """The source of the mapping that holds an attribute, and the path inside it."""
        if not self.reads_context:
            return "attributes", name
        head, _, rest = name.partition(".")
        return ("context.account", rest) if head == ACCOUNT else ("context.attributes", name)

    def string_member(self, value: str, operand: object, test: Test) -> str:
        """`$in` with the common case, a string, looked up in place; `test` knows the others."""
        listed = operand if isinstance(operand, list | tuple) else ()
        strings = self.bind(frozenset(item for item in listed if isinstance(item, str)))
        is_string = f"(value := {value}).__class__ is {self.bind(str)}"
        return f"(value in {strings} if {is_string} else {self.bind(test)}(value))"

    def value(self, operand: object, path: str, depth: int) -> Test:
        """The test of a plain value or of an object of operators on one attribute."""
        if not is_operator_object(operand):
            self.plain_value(operand, path)
            return deep_equals(operand)
        tests = [
            self.operator(name, value, _at(path, name), depth) for name, value in operand.items()
        ]
        return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)

    def plain_value(self, operand: object, path: str) -> None:
        self.count_clause(path)
        if isinstance(operand, Mapping) and any(str(key).startswith("$") for key in operand):
            raise InvalidExperiment(path, operand, "do not mix operators and plain keys")
        if isinstance(operand, list | tuple) and len(operand) > MAX_LIST_VALUES:
            raise InvalidExperiment(path, f"{len(operand)} values", "use a list segment")

    def count_clause(self, path: str) -> None:
        self.clauses += 1
        if self.clauses > MAX_CLAUSES:
            raise InvalidExperiment(path, self.clauses, f"use at most {MAX_CLAUSES} clauses")

    def operator(self, name: str, operand: Any, path: str, depth: int) -> Test:
        self.count_clause(path)
        if name in SCALAR_OPERATORS:
            with located(path):
                return SCALAR_OPERATORS[name](operand)
        if name in NESTING_OPERATORS:
            return self.nesting(name, operand, path, depth + 1)
        if name in GROUP_OPERATORS:
            return self.group(name, operand, path)
        raise InvalidExperiment(path, name, "not an operator of the dialect")

    def nesting(self, name: str, operand: Any, path: str, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise InvalidExperiment(path, operand, f"nest at most {MAX_DEPTH} deep")
        if name == "$not":
            inner = self.value(operand, path, depth)
            return lambda value: not inner(value)
        if name == "$size":
            size = self.value(operand, path, depth)
            return lambda value: isinstance(value, list | tuple) and size(len(value))
        if name == "$elemMatch":
            return self.any_element(operand, path, depth)
        return self.all_found(name, operand, path, depth)

    def any_element(self, operand: Any, path: str, depth: int) -> Test:
        if is_operator_object(operand) and not set(operand) <= set(LOGIC_OPERATORS) - {"$not"}:
            test = self.value(operand, path, depth)
        else:
            condition = self.function(operand, path, depth)

            def test(element: Any) -> bool:
                return condition(element if isinstance(element, Mapping) else {})

        return lambda value: isinstance(value, list | tuple) and any(map(test, value))

    def all_found(self, name: str, operand: Any, path: str, depth: int) -> Test:
        """`$all`: each operand holds for some element of the attribute."""
        if not isinstance(operand, list | tuple):
            return lambda value: False
        if len(operand) > MAX_LIST_VALUES:
            raise InvalidExperiment(path, f"{len(operand)} values", "use a list segment")
        fold = folded if name == "$alli" else _same
        tests = [
            self.value(fold(item), _at(path, index), depth) for index, item in enumerate(operand)
        ]

        def found(value: Any) -> bool:
            if not isinstance(value, list | tuple):
                return False
            elements = [fold(element) for element in value]
            return all(any(map(test, elements)) for test in tests)

        return found

    def group(self, name: str, operand: object, path: str) -> Test:
        segment = self.segments.get(operand) if isinstance(operand, str) else None
        if segment is None:
            raise InvalidExperiment(path, operand, "name a list segment of this project")
        test = in_list(segment)
        return test if name == "$inGroup" else lambda value: not test(value)


def _same(value: Any) -> Any:
    return value
