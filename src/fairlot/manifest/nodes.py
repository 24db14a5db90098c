"""A YAML document as a tree of values that know their line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

Atom = str | int | float | bool | None

MAX_TEXT_BYTES: Final = 1024 * 1024
MAX_SHOWN_CHARS: Final = 80
_INDEX: Final = re.compile(r"\[(\d+)\]\.?")


class Scalar(msgspec.Struct, frozen=True):
    """`text` is what was written, `value` what it means. `weight` grows with the size in memory.

    (A struct, like the other nodes: a file has thousands, and a dataclass takes three times as
    long to make.)
    """

    line: int
    text: str
    value: Atom
    weight: int = 1


class ListNode(msgspec.Struct, frozen=True):
    line: int
    items: tuple["Node", ...]
    weight: int = 1


class MapNode(msgspec.Struct, frozen=True):
    """`key_lines` says where each key stands; `line` where the first does."""

    line: int
    entries: Mapping[str, "Node"]
    key_lines: Mapping[str, int]
    weight: int = 1


Node = Scalar | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Document:
    """`source` is the document's own text, comments included.

    `is_sound` is false if the tree lacks what could not be read, such as the second of two keys.
    """

    root: Node
    source: str
    is_sound: bool


def entry_of(node: MapNode, name: str) -> Node | None:
    """None also for a null, which counts as absent."""
    entry = node.entries.get(name)
    return None if isinstance(entry, Scalar) and entry.value is None else entry


def json_value(node: Node) -> Any:
    """The JSON value that a node stands for."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, ListNode):
        return [json_value(item) for item in node.items]
    return {key: json_value(value) for key, value in node.entries.items()}


def shown(node: Node) -> str:
    """A node for a message: a number as it was written, all else as JSON, cut to one line."""
    if isinstance(node, Scalar) and not isinstance(node.value, str):
        return shortened(node.text)
    return shown_value(json_value(node))


def shown_value(value: object) -> str:
    return shortened(msgspec.json.encode(value, enc_hook=str).decode())


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 3] + "..."


def locate(root: Node, path: str) -> tuple[int, Node]:
    """Line and node of `audience.rule.tier.$gt` or `variants[1]`, or of the nearest parent there.

    A key may itself hold dots: the longest that fits is taken.
    """
    line, node = root.line, root
    while path:
        step = _into_list(node, path) if isinstance(node, ListNode) else _into_map(node, path)
        if step is None:
            break
        line, node, path = step
    return line, node


def _into_list(node: ListNode, path: str) -> tuple[int, Node, str] | None:
    match = _INDEX.match(path)
    if match is None or int(match[1]) >= len(node.items):
        return None
    item = node.items[int(match[1])]
    return item.line, item, path[match.end() :]


def _into_map(node: Node, path: str) -> tuple[int, Node, str] | None:
    if not isinstance(node, MapNode):
        return None
    fitting = [
        key for key in node.entries if path == key or path.startswith((f"{key}.", f"{key}["))
    ]
    if not fitting:
        return None
    key = max(fitting, key=len)
    return node.key_lines[key], node.entries[key], path[len(key) :].removeprefix(".")
