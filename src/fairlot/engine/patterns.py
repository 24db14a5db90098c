"""Regular expressions in the subset that means the same in RE2 and in JavaScript's `u` mode.

A pattern is read token by token; what both dialects read alike is passed on, `.` and `\\s` are
spelled out with JavaScript's meaning, and everything else is rejected with its position.
"""

from collections.abc import Callable
from typing import Final

import re2

from fairlot.engine.errors import InvalidExperiment
from fairlot.engine.hashing import scalar_text

MAX_PATTERN_CHARS: Final = 500
MAX_REPEAT: Final = 1000
MAX_SEARCHED_CHARS: Final = 8192
MAX_PROGRAM_BYTES: Final = 1 << 20

_SPACE: Final = (
    r"\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}"
)
_NOT_SPACE: Final = (
    r"\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}"
    r"\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}"
)
_DOT: Final = r"[^\n\r\x{2028}\x{2029}]"
_CLASS_SETS: Final = {
    "d": r"\d",
    "D": r"\D",
    "w": r"\w",
    "W": r"\W",
    "s": _SPACE,
    "S": _NOT_SPACE,
}
_CONTROLS: Final = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "v": r"\v"}
_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|/")
_ASSERTIONS: Final = {"b": r"\b", "B": r"\B"}
_QUANTIFIERS: Final = frozenset("*+?{")


def compile_regex(pattern: object, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """An unanchored search; raises InvalidExperiment for what is outside the subset.

    Nothing is found in a text of more than 8192 characters, so that no value that a client sends
    can keep a process busy.
    """
    if not isinstance(pattern, str):
        raise InvalidExperiment("", pattern, "a regular expression is a string")
    if len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidExperiment("", pattern, f"shorten it to {MAX_PATTERN_CHARS} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(translate(pattern), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise InvalidExperiment("", pattern, f"RE2 refuses it: {reason}") from None

    def search(text: str) -> bool:
        if len(text) > MAX_SEARCHED_CHARS:
            return False
        try:
            return compiled.search(text) is not None
        except UnicodeEncodeError:
            return compiled.search(scalar_text(text)) is not None

    return search


def translate(pattern: str) -> str:
    """`pattern` in RE2's spelling, with JavaScript's meaning."""
    return _Translation(pattern).run()


class _Translation:
    """One pass over a pattern. `quantifiable` says whether a quantifier may follow here."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.open_groups = 0
        self.quantifiable = False

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char in _QUANTIFIERS:
                self.quantifier(char)
            else:
                self.atom(char)
        if self.open_groups:
            raise self.rejection("a group is not closed")
        return "".join(self.out)

    def atom(self, char: str) -> None:
        handler = _ATOMS.get(char)
        if handler is not None:
            handler(self)
        elif "\ud800" <= char <= "\udfff":
            raise self.rejection("a lone surrogate")
        else:
            self.emit(char, 1)

    def emit(self, text: str, length: int, *, quantifiable: bool = True) -> None:
        self.out.append(text)
        self.at += length
        self.quantifiable = quantifiable

    def dot(self) -> None:
        self.emit(_DOT, 1)

    def assertion(self) -> None:
        self.emit(self.pattern[self.at], 1, quantifiable=False)

    def alternative(self) -> None:
        self.emit("|", 1, quantifiable=False)

    def open_group(self) -> None:
        rest = self.pattern[self.at : self.at + 3]
        if rest[1:2] == "?" and rest != "(?:":
            raise self.rejection("only ( ) and (?: ) groups mean the same everywhere")
        self.open_groups += 1
        self.emit("(?:", 3 if rest == "(?:" else 1, quantifiable=False)

    def close_group(self) -> None:
        if not self.open_groups:
            raise self.rejection("a ) without its (; write \\)")
        self.open_groups -= 1
        self.emit(")", 1)

    def bare(self) -> None:
        char = self.pattern[self.at]
        raise self.rejection(f"a bare {char}; write \\{char}")

    def escape(self) -> None:
        char = self.pattern[self.at + 1 : self.at + 2]
        if char in _ASSERTIONS:
            self.emit(_ASSERTIONS[char], 2, quantifiable=False)
        elif char in _CLASS_SETS:
            self.emit(f"[{_CLASS_SETS[char]}]", 2)
        else:
            self.emit(self.escaped_char(char), 2)

    def escaped_char(self, char: str) -> str:
        """The RE2 spelling of an escape that stands for one character, at `self.at`."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char and char in _SYNTAX:
            return "\\" + char
        if char == "0" and not self.pattern[self.at + 2 : self.at + 3].isdigit():
            return r"\x{0}"
        raise self.rejection(f"the escape \\{char} is outside the subset")

    def quantifier(self, char: str) -> None:
        if not self.quantifiable:
            raise self.rejection(f"nothing for {char} to repeat")
        start = self.at
        self.at += self.counted_length() if char == "{" else 1
        if self.pattern[self.at : self.at + 1] == "?":
            self.at += 1
        self.out.append(self.pattern[start : self.at])
        self.quantifiable = False

    def counted_length(self) -> int:
        """The length of a `{n}`, `{n,}` or `{n,m}` at `self.at`."""
        end = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at + 1 : end].partition(",")
        numbers = [low] if not comma or high == "" else [low, high]
        if end < 0 or not all(number.isascii() and number.isdigit() for number in numbers):
            raise self.rejection("a { that begins no {n}, {n,} or {n,m}; write \\{")
        counts = [int(number) if len(number) < 6 else MAX_REPEAT + 1 for number in numbers]
        if max(counts) > MAX_REPEAT:
            raise self.rejection(f"repeat at most {MAX_REPEAT} times")
        if counts != sorted(counts):
            raise self.rejection("the counts of {n,m} are in the wrong order")
        return end + 1 - self.at

    def char_class(self) -> None:
        start = self.at
        negated = self.pattern[self.at + 1 : self.at + 2] == "^"
        self.at += 2 if negated else 1
        items: list[str] = []
        while (char := self.pattern[self.at : self.at + 1]) != "]":
            if not char:
                self.at = start
                raise self.rejection("a [ without its ]; write \\[")
            items.append(self.class_item(first=not items))
        if not items:
            raise self.rejection("an empty class")
        self.emit(f"[{'^' if negated else ''}{''.join(items)}]", 1)

    def class_item(self, *, first: bool) -> str:
        if self.pattern[self.at] == "-" and not first and self.pattern[self.at + 1 :][:1] != "]":
            raise self.rejection("a - inside a class that is no range; write \\-")
        low, low_text = self.class_char()
        if self.pattern[self.at : self.at + 1] != "-" or self.pattern[self.at + 1 :][:1] == "]":
            return low_text
        self.at += 1
        high, high_text = self.class_char()
        if low is None or high is None or low > high:
            raise self.rejection("the ends of a range in a class are not two characters in order")
        return f"{low_text}-{high_text}"

    def class_char(self) -> tuple[str | None, str]:
        """One member of a class: the character it stands for (None for a set), and its spelling."""
        char = self.pattern[self.at : self.at + 1]
        if char == "\\":
            escaped = self.pattern[self.at + 1 : self.at + 2]
            if escaped in _CLASS_SETS:
                self.at += 2
                return None, _CLASS_SETS[escaped]
            text = "\\-" if escaped == "-" else self.escaped_char(escaped)
            self.at += 2
            return _CONTROL_CHARS.get(escaped, escaped), text
        if char in ("", "[") or "\ud800" <= char <= "\udfff":
            raise self.rejection("inside a class write \\[ and no lone surrogate")
        self.at += 1
        return char, "\\" + char if char in "^-&~" else char

    def rejection(self, problem: str) -> InvalidExperiment:
        fix = f"{problem} (at character {self.at + 1})"
        return InvalidExperiment("", self.pattern, fix)


_CONTROL_CHARS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_ATOMS: Final[dict[str, Callable[[_Translation], None]]] = {
    ".": _Translation.dot,
    "^": _Translation.assertion,
    "$": _Translation.assertion,
    "|": _Translation.alternative,
    "(": _Translation.open_group,
    ")": _Translation.close_group,
    "[": _Translation.char_class,
    "]": _Translation.bare,
    "}": _Translation.bare,
    "\\": _Translation.escape,
}
