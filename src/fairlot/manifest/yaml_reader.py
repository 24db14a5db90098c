"""From YAML text to trees with line numbers: PyYAML's parser, our own meaning of what it read.

The tree is built from parse events rather than by `yaml.compose`, so that size, depth and aliases
are counted while reading: libyaml takes quadratic time over deep nesting, and recurses to compose.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import yaml

from fairlot.engine.hashing import scalar_text
from fairlot.manifest.nodes import (
    MAX_TEXT_BYTES,
    Document,
    ListNode,
    MapNode,
    Node,
    Scalar,
    shortened,
)
from fairlot.manifest.problems import Problems
from fairlot.manifest.yaml_scalars import core_value

MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
MAX_ALIASES: Final = 100
MAX_KEY_CHARS: Final = 400
MAX_WEIGHT: Final = 4_000_000
NODE_WEIGHT: Final = 10

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SYNTAX_HINT: Final = "indent with spaces, and quote text that begins with a special character"
_COLON_HINT: Final = 'text that holds ": " needs quotes; fields of one mapping are indented alike'
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_ESCAPED_PAIR: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE
)
_ESCAPED_BREAKS: Final = {each: f"\\u{each:04x}" for each in (0x85, 0x2028, 0x2029)}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class _FileAbandoned(Exception):
    """Nothing more of this file is read; the reason is among its problems."""


def read_documents(text: str, problems: Problems) -> tuple[Document, ...]:
    """The documents of a file, empty ones left out; those before a syntax error are still read."""
    text = text.removeprefix("\ufeff")
    if not _is_readable(text, problems):
        return ()
    trees = _Trees(problems)
    loader = LOADER(_with_escapes_of_yaml(text))
    try:
        while loader.check_event():
            trees.take(loader.get_event())
    except yaml.YAMLError as error:
        _add_syntax_problem(error, problems)
    except _FileAbandoned:
        pass
    finally:
        loader.dispose()
    return tuple(_with_sources(text, trees))


def _is_readable(text: str, problems: Problems) -> bool:
    if len(text) > MAX_TEXT_BYTES or len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        problems.add(1, "", "", "over 1 MiB of text; split the file")
        return False
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        line = len(f"{text[: unprintable.start()]}.".splitlines())
        shown = f"U+{ord(unprintable[0]):04X}"
        problems.add(line, "", shown, "YAML text holds no such character; remove it, or escape it")
        return False
    return True


def _with_escapes_of_yaml(text: str) -> str:
    """JSON is YAML, but for what libyaml does not read as JSON says: an escaped pair of surrogates,
    and characters that only YAML 1.1 took for the end of a line."""
    if not text.lstrip().startswith("{") or not _is_json(text):
        return text
    return _ESCAPED_PAIR.sub(_one_escape, text).translate(_ESCAPED_BREAKS)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def _one_escape(pair: re.Match[str]) -> str:
    character = scalar_text(chr(int(pair[2], 16)) + chr(int(pair[3], 16)))
    return f"{pair[1]}\\U{ord(character):08X}"


def _add_syntax_problem(error: yaml.YAMLError, problems: Problems) -> None:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    column = f" (column {mark.column + 1})" if mark else ""
    problem = getattr(error, "problem", None) or str(error)
    # libyaml and PyYAML end this sentence differently.
    is_colon = problem.startswith("mapping values are not allowed")
    hint = _COLON_HINT if is_colon else _SYNTAX_HINT
    problems.add(line, "", "", f"not valid YAML{column}: {problem}; {hint}")


def _with_sources(text: str, trees: "_Trees") -> Iterator[Document]:
    lines = text.splitlines(keepends=True)
    starts = [0, *trees.starts[1:], len(lines)]
    for index, root, is_sound in trees.roots:
        yield Document(root, "".join(lines[starts[index] : starts[index + 1]]), is_sound)


@dataclass(slots=True)
class _Frame:
    """A list or map whose end has not been read. `key` is that of the value to come."""

    line: int
    anchor: str | None
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    awaits_value: bool = False
    weight: int = NODE_WEIGHT


class _Trees:
    """Builds one tree a document, without recursion.

    `starts` are the first lines of all documents; `roots` their numbers, trees, and whether all of
    the tree could be read.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.starts: list[int] = []
        self.roots: list[tuple[int, Node, bool]] = []
        self.frames: list[_Frame] = []
        self.anchors: dict[str, Node] = {}
        self.problems_before = 0
        self.nodes = 0
        self.aliases = 0

    def take(self, event: Any) -> None:
        """One event of the parser (a yaml.Event, whose stubs call the marks optional)."""
        take = _TAKERS.get(type(event))
        if take is not None:
            take(self, event, event.start_mark.line + 1)

    def start(self, event: yaml.DocumentStartEvent, line: int) -> None:
        self.starts.append(line - 1)
        self.anchors = {}
        self.problems_before = len(self.problems)

    def count(self, line: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.abandon(line, f"over {MAX_NODES} values; split the file")
        if len(self.frames) > MAX_DEPTH:
            self.abandon(line, f"nested more than {MAX_DEPTH} deep")

    def abandon(self, line: int, message: str) -> None:
        self.problems.add(line, self.path(), "", message)
        raise _FileAbandoned

    def add(self, line: int, value: str, message: str) -> None:
        self.problems.add(line, self.path(), shortened(value), message)

    def path(self) -> str:
        parts = []
        for frame in self.frames:
            if not frame.is_map:
                parts.append(f"[{len(frame.items)}]")
            elif frame.key is not None:
                parts.append(f".{frame.key}")
        return "".join(parts).removeprefix(".")

    def scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self.count(line)
        text = event.value
        weight = NODE_WEIGHT + len(text)
        if _SURROGATE.search(text):
            self.add(line, "", "half of a surrogate pair; write the character itself")
            text = ""
        is_plain = event.implicit[0] and event.tag is None
        if not is_plain and event.tag not in (None, "!", _TEXT_TAG):
            self.add(line, event.tag, "tags are not read; write the value plainly, or quote a text")
        try:
            node = Scalar(line, text, core_value(text) if is_plain else text, weight)
        except ValueError as error:
            self.add(line, text, str(error))
            node = Scalar(line, text, None, weight)
        self.place(node, line, event.anchor)

    def alias(self, event: yaml.AliasEvent, line: int) -> None:
        self.count(line)
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.abandon(line, f"over {MAX_ALIASES} aliases; write the values out")
        anchor = str(event.anchor)
        if anchor not in self.anchors:
            fix = "an alias refers to an anchor that is complete before it in the same document"
            self.add(line, f"*{anchor}", fix)
        self.place(self.anchors.get(anchor, Scalar(line, "", None)), line, None)

    def open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self.count(line)
        if event.tag is not None and event.tag != "!":
            self.add(line, event.tag, "tags are not read; leave it out")
        is_map = isinstance(event, yaml.MappingStartEvent)
        self.frames.append(_Frame(line, event.anchor, is_map))

    def close(self, event: yaml.CollectionEndEvent, line: int) -> None:
        frame = self.frames.pop()
        node: Node
        if frame.is_map:
            node = MapNode(frame.line, frame.entries, frame.key_lines, frame.weight)
        else:
            node = ListNode(frame.line, tuple(frame.items), frame.weight)
        self.place(node, frame.line, frame.anchor)

    def place(self, node: Node, line: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.frames:
            if not (isinstance(node, Scalar) and node.value is None):
                is_sound = len(self.problems) == self.problems_before
                self.roots.append((len(self.starts) - 1, node, is_sound))
            return
        frame = self.frames[-1]
        frame.weight += node.weight
        if frame.weight > MAX_WEIGHT:
            self.abandon(line, "aliases make it too large; write the values out, or fewer of them")
        if not frame.is_map:
            frame.items.append(node)
        elif frame.awaits_value:
            self.place_value(frame, node)
        else:
            self.place_key(frame, node, line)

    def place_key(self, frame: _Frame, node: Node, line: int) -> None:
        frame.awaits_value = True
        if not isinstance(node, Scalar):
            self.add(
                line, "", "a key is a text, not a list or map; quote a text that begins with {"
            )
            return
        if not isinstance(node.value, str):
            self.add(line, node.text, f'a key is a text; write "{node.text}" in quotes')
            return
        key = node.value
        if key == "<<":
            self.add(line, key, "merge keys are not in YAML 1.2; write the fields out")
            return
        if len(key) > MAX_KEY_CHARS:
            self.add(line, key, f"{len(key)} characters; a key has at most {MAX_KEY_CHARS}")
            return
        if key in frame.key_lines:
            first = frame.key_lines[key]
            self.add(line, key, f"stands twice, first on line {first}; remove one")
            return
        frame.key = key
        frame.key_lines[key] = line

    def place_value(self, frame: _Frame, node: Node) -> None:
        if frame.key is not None:
            frame.entries[frame.key] = node
        frame.key, frame.awaits_value = None, False


_TAKERS: Final[dict[type[yaml.Event], Callable[[_Trees, Any, int], None]]] = {
    yaml.ScalarEvent: _Trees.scalar,
    yaml.AliasEvent: _Trees.alias,
    yaml.SequenceStartEvent: _Trees.open,
    yaml.MappingStartEvent: _Trees.open,
    yaml.SequenceEndEvent: _Trees.close,
    yaml.MappingEndEvent: _Trees.close,
    yaml.DocumentStartEvent: _Trees.start,
}
