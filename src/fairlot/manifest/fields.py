"""Reading the fields of one YAML mapping; whatever is wrong becomes a problem with its place."""

import re
from collections.abc import Collection, Iterator
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest.nodes import ListNode, MapNode, Node, Scalar, json_value, shown
from fairlot.manifest.problems import PAGE, Problems, nearest, suggestion

MAX_JSON_BYTES: Final = 64 * 1024
MAX_UNKNOWN_NAMED: Final = 100
MAX_PROSE_CHARS: Final = 4000
KEY_FIX: Final = "start with a lower-case letter, then up to 63 of a-z 0-9 _ -"
SALT_FIX: Final = "use 1 to 128 of A-Z a-z 0-9 . _ -"

_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_Choice = TypeVar("_Choice", bound=StrEnum)


class Fields:
    """The fields of `node`, whose own path is `path`. A null counts as absent.

    Every reading method gives None, after adding a problem, for what is not as it must be.
    """

    def __init__(
        self, node: MapNode, path: str, problems: Problems, known: Collection[str] | None = None
    ) -> None:
        self.map = node
        self.path = path
        self.problems = problems
        if known is not None:
            self._refuse_unknown(known)

    def _refuse_unknown(self, known: Collection[str]) -> None:
        unknown = (name for name in self.map.entries if name not in known)
        for name in islice(unknown, MAX_UNKNOWN_NAMED):
            self.refuse(name, f"not a field here; {suggestion(name, known, PAGE)}")

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def node(self, name: str) -> Node | None:
        node = self.map.entries.get(name)
        return None if isinstance(node, Scalar) and node.value is None else node

    def has(self, name: str) -> bool:
        return self.node(name) is not None

    def refuse(self, name: str, message: str) -> None:
        """Add a problem about the value of `name`, or about its absence."""
        node = self.map.entries.get(name)
        line = self.map.key_lines.get(name, self.map.line)
        self.problems.add(line, self.at(name), "" if node is None else shown(node), message)

    def require(self, *names: str) -> None:
        for name in names:
            if not self.has(name):
                self.refuse(name, "missing; it is required")

    def text(self, name: str, *, most: int | None = None) -> str | None:
        """A text, not empty."""
        text = self.any_text(name)
        if text == "":
            self.refuse(name, "write a text, or leave the field out")
            return None
        if text is not None and most is not None and len(text) > most:
            self.refuse(name, f"{len(text)} characters; use at most {most}")
            return None
        return text

    def any_text(self, name: str) -> str | None:
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        hint = f'; quote it, as in "{node.text}"' if isinstance(node, Scalar) else ""
        self.refuse(name, f"write a text{hint}")
        return None

    def matching(self, name: str, pattern: re.Pattern[str], fix: str) -> str | None:
        text = self.any_text(name)
        if text is not None and not pattern.fullmatch(text):
            self.refuse(name, fix)
            return None
        return text

    def flag(self, name: str) -> bool | None:
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.refuse(name, "write true or false")
        return None

    def whole(self, name: str, least: int, most: int, *, fix: str = "") -> int | None:
        """A whole number from `least` to `most`."""
        node = self.node(name)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(name, fix or f"write a whole number from {least} to {most}")
        return None

    def choice(self, name: str, kind: type[_Choice]) -> _Choice | None:
        text = self.any_text(name)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError:
            near = nearest(text, list(kind))
            hint = f"; did you mean {near}?" if near else ""
            self.refuse(name, f"write one of {', '.join(kind)}{hint}")
            return None

    def rate_bp(self, name: str) -> int | None:
        """A decimal from 0 to 1 with at most four decimals, read exactly, in basis points."""
        node = self.node(name)
        if node is None:
            return None
        rate = exact_decimal(node)
        if rate is None or not 0 <= rate <= 1:
            self.refuse(name, f"write a decimal from 0 to 1{_rate_hint(rate)}")
            return None
        rate_bp = rate * FULL_RATE_BP
        if rate_bp.denominator != 1:
            self.refuse(name, "a rate has at most four decimals; round it yourself")
            return None
        return rate_bp.numerator

    def json(self, name: str) -> Any:
        """Any JSON value, up to 64 KiB."""
        node = self.node(name)
        if node is None:
            return None
        value = json_value(node)
        size = len(msgspec.json.encode(value))
        if size > MAX_JSON_BYTES:
            self.refuse(name, f"{size} bytes as JSON; use at most {MAX_JSON_BYTES}")
            return None
        return value

    def json_object(self, name: str) -> dict[str, Any] | None:
        if self.map_node(name) is None:
            return None
        value: dict[str, Any] | None = self.json(name)
        return value

    def map_node(self, name: str) -> MapNode | None:
        node = self.node(name)
        if node is None or isinstance(node, MapNode):
            return node
        self.refuse(name, "write a mapping of fields, as in {key: value}")
        return None

    def fields(self, name: str, known: Collection[str]) -> "Fields | None":
        """The fields of a mapping below; a null there is one whose parts are not indented."""
        node = self.map_node(name)
        if node is None and name in self.map.entries and not self.has(name):
            self.refuse(name, "empty; indent its parts below it, or remove the line")
        return None if node is None else Fields(node, self.at(name), self.problems, known)

    def items(self, name: str) -> Iterator[tuple[str, Node]]:
        """The items of a list, each with its path."""
        node = self.node(name)
        if isinstance(node, ListNode):
            for index, item in enumerate(node.items):
                yield f"{self.at(name)}[{index}]", item
        elif node is not None:
            self.refuse(name, "write a list, as in [a, b]")

    def item_fields(self, name: str, known: Collection[str] | None = None) -> Iterator["Fields"]:
        """The items of a list of mappings; an item that is none is a problem and left out."""
        for path, item in self.items(name):
            if isinstance(item, MapNode):
                yield Fields(item, path, self.problems, known)
            else:
                message = "write a mapping of fields, as in {key: value}"
                self.problems.add(item.line, path, shown(item), message)

    def item_texts(self, name: str) -> Iterator[tuple[str, Node, str]]:
        """The items of a list of texts, each with its path and node."""
        for path, item in self.items(name):
            if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
                yield path, item, item.value
            else:
                self.problems.add(item.line, path, shown(item), "write a text; quote it if need be")


def _rate_hint(rate: Fraction | None) -> str:
    """What a percentage is as a rate."""
    is_percentage = rate is not None and 1 < rate <= 100 and (rate * 100).denominator == 1
    return f"; did you mean {float(rate / 100):g}?" if rate and is_percentage else ", as in 0.25"


def exact_decimal(node: Node) -> Fraction | None:
    """The value of a number written as a plain decimal, without a float in between."""
    if not isinstance(node, Scalar) or not isinstance(node.value, int | float):
        return None
    return Fraction(node.text) if _DECIMAL.fullmatch(node.text) else None
