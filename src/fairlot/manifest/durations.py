"""Lengths of time as people write them: a whole number and its unit."""

import re
from dataclasses import dataclass
from typing import Final

from fairlot.manifest.fields import Fields, JsonSchema, Shape
from fairlot.manifest.nodes import Node, Scalar

UNITS_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
DURATION_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}[smhd]")
_LOOSE: Final = re.compile(r"0*([1-9][0-9]{0,8})\s*(s|m|h|d)[a-z]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Duration(Shape[int]):
    """More than nothing and `most_ms` at most, in ms."""

    most_ms: int

    def read(self, fields: Fields, name: str, node: Node) -> int | None:
        text = node.value if isinstance(node, Scalar) else None
        if not isinstance(text, str) or not DURATION_PATTERN.fullmatch(text):
            fix = "write a whole number and its unit, s, m, h or d, as in 30m, 12h or 7d"
            fields.refuse(name, fix + _hint(node))
            return None
        duration_ms = read_duration(text)
        if duration_ms > self.most_ms:
            fields.refuse(name, f"write {write_duration(self.most_ms)} at most")
            return None
        return duration_ms

    def schema(self) -> JsonSchema:
        return {"type": "string", "pattern": f"^(?:{DURATION_PATTERN.pattern})$"}


def read_duration(text: str) -> int:
    """In ms, of a text that matches DURATION_PATTERN."""
    return int(text[:-1]) * UNITS_MS[text[-1]]


def write_duration(duration_ms: int) -> str:
    """In the largest unit that divides it; what is no whole number of seconds stays in ms."""
    for unit, unit_ms in UNITS_MS.items():
        if duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms}ms"


def _hint(node: Node) -> str:
    """What was probably meant, as far as it says its unit."""
    found = _LOOSE.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
    return f"; did you mean {found[1]}{found[2].lower()}?" if found else ""
