"""What the values of fields may be: texts, numbers, choices, mappings and lists of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec

from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.engine.hashing import SALT_PATTERN
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest.fields import Fields, JsonSchema, Shape, Table
from fairlot.manifest.nodes import ListNode, MapNode, Node, Scalar, json_value, shown
from fairlot.manifest.problems import nearest

MAX_JSON_BYTES: Final = 64 * 1024
MAX_NAME_CHARS: Final = 200
MAX_PROSE_CHARS: Final = 4000
MAX_CODE_CHARS: Final = 64 * 1024

_MAPPING_FIX: Final = "write a mapping of fields, as in {key: value}"
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Text(Shape[str]):
    """Of `least` to `most` characters."""

    most: int
    least: int = 1

    def read(self, fields: Fields, name: str, node: Node) -> str | None:
        text = read_text(fields, name, node)
        if text is None:
            return None
        if len(text) < self.least:
            fields.refuse(name, "write a text, or leave the field out")
            return None
        if len(text) > self.most:
            fields.refuse(name, f"{len(text)} characters; use at most {self.most}")
            return None
        if "\0" in text:
            fields.refuse(name, "has the character U+0000, which PostgreSQL cannot keep; remove it")
            return None
        return text

    def schema(self) -> JsonSchema:
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


@dataclass(frozen=True, slots=True)
class Matching(Shape[str]):
    """A text that matches as a whole; `pattern` means the same in JavaScript."""

    pattern: re.Pattern[str]
    fix: str

    def read(self, fields: Fields, name: str, node: Node) -> str | None:
        text = read_text(fields, name, node)
        if text is not None and not self.pattern.fullmatch(text):
            fields.refuse(name, self.fix)
            return None
        return text

    def schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^(?:{self.pattern.pattern})$"}


KEY_SHAPE: Final = Matching(
    EXPERIMENT_KEY, "start with a lower-case letter, then up to 63 of a-z 0-9 _ -"
)
SALT_SHAPE: Final = Matching(SALT_PATTERN, "use 1 to 128 of A-Z a-z 0-9 . _ -")


class Flag(Shape[bool]):
    def read(self, fields: Fields, name: str, node: Node) -> bool | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        fields.refuse(name, "write true or false")
        return None

    def schema(self) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Whole(Shape[int]):
    """A whole number from `least` to `most`."""

    least: int
    most: int

    def read(self, fields: Fields, name: str, node: Node) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.least <= value <= self.most
        ):
            return value
        fields.refuse(name, self.fix_of(node))
        return None

    def fix_of(self, node: Node) -> str:
        return f"write a whole number from {self.least} to {self.most}"

    def schema(self) -> JsonSchema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Choice(Shape[_Choice]):
    """One of a few words."""

    kind: type[_Choice]

    def read(self, fields: Fields, name: str, node: Node) -> _Choice | None:
        text = read_text(fields, name, node)
        if text is None:
            return None
        try:
            return self.kind(text)
        except ValueError:
            near = nearest(text, list(self.kind))
            hint = f"; did you mean {near}?" if near else ""
            fields.refuse(name, f"write one of {', '.join(self.kind)}{hint}")
            return None

    def schema(self) -> JsonSchema:
        return {"type": "string", "enum": [word.value for word in self.kind]}


class Rate(Shape[int]):
    """A decimal from 0 to 1 with at most four decimals, read exactly, in basis points."""

    def read(self, fields: Fields, name: str, node: Node) -> int | None:
        rate = exact_decimal(node)
        if rate is None or not 0 <= rate <= 1:
            fields.refuse(name, f"write a decimal from 0 to 1{_rate_hint(rate)}")
            return None
        rate_bp = rate * FULL_RATE_BP
        if rate_bp.denominator != 1:
            fields.refuse(name, "a rate has at most four decimals; round it yourself")
            return None
        return rate_bp.numerator

    def schema(self) -> JsonSchema:
        # No multipleOf: validators divide floats, and refuse 0.07 as no multiple of 0.0001.
        return {"type": "number", "minimum": 0, "maximum": 1}


class Json(Shape[Any]):
    """Any JSON value, up to 64 KiB."""

    def read(self, fields: Fields, name: str, node: Node) -> Any:
        value = json_value(node)
        size = len(msgspec.json.encode(value))
        if size > MAX_JSON_BYTES:
            fields.refuse(name, f"{size} bytes as JSON; use at most {MAX_JSON_BYTES}")
            return None
        return value

    def schema(self) -> JsonSchema:
        return {}


@dataclass(frozen=True, slots=True)
class JsonObject(Shape[dict[str, Any]]):
    """A mapping of whatever, up to 64 KiB as JSON, but for what `table` says of its fields."""

    table: Table

    def read(self, fields: Fields, name: str, node: Node) -> dict[str, Any] | None:
        part = read_part(fields, name, node, self.table)
        if part is None:
            return None
        for each in self.table.fields:
            part.read(each)
        value: dict[str, Any] | None = Json().read(fields, name, node)
        return value

    def schema(self) -> JsonSchema:
        return self.table.schema()


@dataclass(frozen=True, slots=True)
class Part(Shape[Fields]):
    """A mapping of fields below; a null there is one whose parts are not indented."""

    null_fix: ClassVar[str | None] = "empty; indent its parts below it, or remove the line"
    table: Table

    def read(self, fields: Fields, name: str, node: Node) -> Fields | None:
        return read_part(fields, name, node, self.table)

    def schema(self) -> JsonSchema:
        return self.table.schema()


@dataclass(frozen=True, slots=True)
class Parts(Shape[tuple[Fields, ...]]):
    """A list of up to `most` mappings; an item that is none is a problem and left out.

    `is_counted_here` is false where more is refused in other words.
    """

    table: Table
    most: int
    is_counted_here: bool = True

    def read(self, fields: Fields, name: str, node: Node) -> tuple[Fields, ...]:
        found = []
        for path, item in read_items(fields, name, node, self.most, self.is_counted_here):
            if isinstance(item, MapNode):
                found.append(Fields(item, path, fields.problems, self.table))
            else:
                fields.problems.add(item.line, path, shown(item), _MAPPING_FIX)
        return tuple(found)

    def schema(self) -> JsonSchema:
        return {"type": "array", "items": self.table.schema(), "maxItems": self.most}


class TextItem(NamedTuple):
    """A text in a list, with its place."""

    path: str
    node: Scalar
    text: str


@dataclass(frozen=True, slots=True)
class Texts(Shape[tuple[TextItem, ...]]):
    """A list of up to `most` texts of up to `most_chars` characters."""

    most: int
    most_chars: int
    is_counted_here: bool = True

    def read(self, fields: Fields, name: str, node: Node) -> tuple[TextItem, ...]:
        found = []
        for path, item in read_items(fields, name, node, self.most, self.is_counted_here):
            text = item.value if isinstance(item, Scalar) else None
            if not isinstance(item, Scalar) or not isinstance(text, str) or not text:
                fix = "write a text; quote it if need be"
                fields.problems.add(item.line, path, shown(item), fix)
            elif len(text) > self.most_chars and self.is_counted_here:
                fix = f"{len(text)} characters; use at most {self.most_chars}"
                fields.problems.add(item.line, path, shown(item), fix)
            else:
                found.append(TextItem(path, item, text))
        return tuple(found)

    def schema(self) -> JsonSchema:
        item = {"type": "string", "minLength": 1, "maxLength": self.most_chars}
        return {"type": "array", "items": item, "maxItems": self.most}


def read_text(fields: Fields, name: str, node: Node) -> str | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    hint = f'; quote it, as in "{node.text}"' if isinstance(node, Scalar) else ""
    fields.refuse(name, f"write a text{hint}")
    return None


def read_part(fields: Fields, name: str, node: Node, table: Table) -> Fields | None:
    if isinstance(node, MapNode):
        return Fields(node, fields.at(name), fields.problems, table)
    fields.refuse(name, _MAPPING_FIX)
    return None


def read_items(
    fields: Fields, name: str, node: Node, most: int, is_counted_here: bool = True
) -> Iterator[tuple[str, Node]]:
    """The items of a list, each with its path; none if there are too many."""
    if not isinstance(node, ListNode):
        fields.refuse(name, "write a list, as in [a, b]")
    elif is_counted_here and len(node.items) > most:
        fields.refuse(name, f"{len(node.items)} items; use at most {most}")
    else:
        at = fields.at(name)
        for index, item in enumerate(node.items):
            yield f"{at}[{index}]", item


def exact_decimal(node: Node) -> Fraction | None:
    """The value of a number written as a plain decimal, without a float in between."""
    if not isinstance(node, Scalar) or not isinstance(node.value, int | float):
        return None
    return Fraction(node.text) if _DECIMAL.fullmatch(node.text) else None


def _rate_hint(rate: Fraction | None) -> str:
    """What a percentage is as a rate."""
    is_percentage = rate is not None and 1 < rate <= 100 and (rate * 100).denominator == 1
    return f"; did you mean {float(rate / 100):g}?" if rate and is_percentage else ", as in 0.25"
