"""The fields of YAML mappings: what each may hold, and reading them.

Whatever is wrong becomes a problem with its place. The tables that are read by are also what the
JSON Schema is made of.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Final, Generic, TypeVar

from fairlot.manifest.nodes import MapNode, Node, entry_of, shown
from fairlot.manifest.problems import PAGE, Problems, suggestion

MAX_UNKNOWN_NAMED: Final = 100

JsonSchema = dict[str, Any]
_Value_co = TypeVar("_Value_co", covariant=True)
_Value = TypeVar("_Value")


class Shape(ABC, Generic[_Value_co]):
    """What the value of a field may be.

    A null counts as absent, unless there is something to say about it.
    """

    null_fix: ClassVar[str | None] = None

    @abstractmethod
    def read(self, fields: "Fields", name: str, node: Node) -> _Value_co | None:
        """What `node` means; None after adding a problem, if it is not as it must be."""

    @abstractmethod
    def schema(self) -> JsonSchema:
        """As much of it as JSON Schema, draft 7, can say."""


@dataclass(frozen=True, slots=True)
class Field(Generic[_Value]):
    """`says` is for people: editors show it. `default` is what absence means, if JSON has it.

    Instead of one that is required, the field `alias` may be written; the reader sees to it.
    """

    name: str
    shape: Shape[_Value]
    says: str
    is_required: bool = False
    alias: str | None = None
    default: Any = None

    def schema(self) -> JsonSchema:
        schema = self.shape.schema()
        if not self.is_required and self.shape.null_fix is None:
            schema = _or_null(schema)
        if self.default is not None:
            schema["default"] = self.default
        return schema | {"description": self.says}


@dataclass(frozen=True)
class Table:
    """The fields that a mapping may have; an open one may have others too.

    `says` is for people, where no field says it. `also` is JSON Schema about several fields,
    `no_fields` what is said of names that are looked for here and are none.
    """

    fields: tuple[Field[Any], ...]
    says: str = ""
    is_open: bool = False
    also: Mapping[str, Any] = field(default_factory=dict)
    no_fields: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fields)

    def schema(self) -> JsonSchema:
        required = [each for each in self.fields if each.is_required]
        names = [each.name for each in required if each.alias is None]
        spellings = [
            {"oneOf": [{"required": [each.name]}, {"required": [each.alias]}]}
            for each in required
            if each.alias is not None
        ]
        return {
            **({"description": self.says} if self.says else {}),
            "type": "object",
            "properties": {each.name: each.schema() for each in self.fields},
            "additionalProperties": self.is_open,
            **({"required": names} if names else {}),
            **({"allOf": spellings} if spellings else {}),
            **self.also,
        }


class Fields:
    """The fields of `node`, whose own path is `path`; those that `table` has not are problems."""

    def __init__(self, node: MapNode, path: str, problems: Problems, table: Table) -> None:
        self.map = node
        self.path = path
        self.problems = problems
        if not table.is_open and not node.entries.keys() <= table.names:
            self._refuse_unknown(table)

    def _refuse_unknown(self, table: Table) -> None:
        unknown = (name for name in self.map.entries if name not in table.names)
        for name in islice(unknown, MAX_UNKNOWN_NAMED):
            unknown_field = f"not a field here; {suggestion(name, table.names, PAGE)}"
            self.refuse(name, table.no_fields.get(name, unknown_field))

    def read(self, field: Field[_Value]) -> _Value | None:
        """None if it is absent, or not as it must be. A field is read once: problems are added."""
        node = self.node(field.name)
        if node is not None:
            return field.shape.read(self, field.name, node)
        if field.is_required:
            self.refuse(field.name, "missing; it is required")
        elif field.shape.null_fix is not None and field.name in self.map.entries:
            self.refuse(field.name, field.shape.null_fix)
        return None

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def node(self, name: str) -> Node | None:
        return entry_of(self.map, name)

    def has(self, name: str) -> bool:
        return self.node(name) is not None

    def refuse(self, name: str, message: str) -> None:
        """Add a problem about the value of `name`, or about its absence."""
        node = self.map.entries.get(name)
        line = self.map.key_lines.get(name, self.map.line)
        self.problems.add(line, self.at(name), "" if node is None else shown(node), message)


def _or_null(schema: JsonSchema) -> JsonSchema:
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    return schema | {"type": [schema["type"], "null"]} if "type" in schema else schema
