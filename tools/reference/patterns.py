"""The regular expression subset: checked by hand, then run by Python's own `re`."""

import re

SPACE = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
SYNTAX = "^$\\.*+?()[]{}|/"
WORD = "[A-Za-z0-9_]"
BOUNDARY = f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))"
SETS = {
    "d": [(48, 57)],
    "w": [(48, 57), (65, 90), (95, 95), (97, 122)],
    "s": sorted((ord(c), ord(c)) for c in SPACE),
}
QUANTIFIER = re.compile(r"(?:[*+?]|\{([0-9]+)(,([0-9]*))?\})\??")
Ranges = list[tuple[int, int]]


def complement(ranges: Ranges) -> Ranges:
    out, start = [], 0
    for low, high in ranges:
        if start < low:
            out.append((start, low - 1))
        start = high + 1
    return [*out, (start, 0x10FFFF)]


def class_text(ranges: Ranges, negated: bool) -> str:
    body = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
    return f"[{'^' if negated else ''}{body}]"


class Translator:
    """Reads one pattern of the subset and writes the same pattern for Python."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise ValueError("the pattern ends too early")
        self.at += 1
        return char

    def alternatives(self, nested: bool) -> str:
        out = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            out.append(self.sequence())
        if nested and self.take() != ")":
            raise ValueError("a group is not closed")
        return "|".join(out)

    def sequence(self) -> str:
        out = []
        while self.peek() not in ("", "|", ")"):
            atom, repeatable = self.atom()
            out.append(atom + self.quantifier(repeatable))
        return "".join(out)

    def quantifier(self, repeatable: bool) -> str:
        found = QUANTIFIER.match(self.text, self.at)
        if found is None:
            return ""
        low, upper = found[1], found[3]
        if not repeatable or any(n and int(n) > 1000 for n in (low, upper)):
            raise ValueError("this cannot be repeated so")
        if low and upper and int(low) > int(upper):
            raise ValueError("a repetition from more to less")
        self.at = found.end()
        return found[0]

    def atom(self) -> tuple[str, bool]:
        char = self.take()
        if char == "(":
            return self.group(), True
        if char == "[":
            return self.char_class(), True
        if char == "\\":
            return self.escape()
        if char in "^$":
            return ("^" if char == "^" else r"\Z"), False
        if char == ".":
            return "[^\n\r\u2028\u2029]", True
        if char in "*+?{}]":
            raise ValueError(f"{char} has nothing to do here")
        return re.escape(char), True

    def group(self) -> str:
        if self.peek() != "?":
            return f"(?:{self.alternatives(nested=True)})"
        if self.text[self.at : self.at + 2] != "?:":
            raise ValueError("only plain and (?: ) groups")
        self.at += 2
        return f"(?:{self.alternatives(nested=True)})"

    def escape(self) -> tuple[str, bool]:
        char = self.take()
        if char in "bB":
            return (BOUNDARY if char == "b" else f"(?!{BOUNDARY})"), False
        if char.lower() in SETS:
            return class_text(SETS[char.lower()], char.isupper()), True
        return re.escape(self.escaped_char(char, in_class=False)), True

    def escaped_char(self, char: str, in_class: bool) -> str:
        if char in CONTROL:
            if char == "0" and self.peek().isdigit():
                raise ValueError("octal escape")
            return CONTROL[char]
        if char in SYNTAX or (in_class and char == "-"):
            return char
        raise ValueError(f"unknown escape {char}")

    def char_class(self) -> str:
        negated = self.peek() == "^"
        self.at += negated
        ranges: Ranges = []
        while self.peek() != "]":
            first = self.class_item()
            if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in (
                "]",
                "",
            ):
                self.at += 1
                first = self.span(first, self.class_item())
            ranges += first
        self.at += 1
        if not ranges:
            raise ValueError("empty class")
        return class_text(ranges, negated)

    @staticmethod
    def span(first: Ranges, last: Ranges) -> Ranges:
        ends = [*first, *last]
        if len(ends) != 2 or any(low != high for low, high in ends) or ends[0] > ends[1]:
            raise ValueError("not a range")
        return [(ends[0][0], ends[1][0])]

    def class_item(self) -> Ranges:
        char = self.take()
        if char == "[":
            raise ValueError("an unescaped [ in a class")
        if char == "\\":
            char = self.take()
            if char.lower() in SETS:
                ranges = SETS[char.lower()]
                return complement(ranges) if char.isupper() else list(ranges)
            char = self.escaped_char(char, in_class=True)
        return [(ord(char), ord(char))]


def python_regex(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    """The pattern compiled for Python; ValueError for what is outside the subset."""
    if len(pattern) > 500:
        raise ValueError("longer than 500 characters")
    translator = Translator(pattern)
    text = translator.alternatives(nested=False)
    if translator.at != len(pattern):
        raise ValueError("a ) too many")
    return re.compile(text, re.IGNORECASE if ignore_case else 0)


def regex_finds(pattern: str, text: str, ignore_case: bool = False) -> bool:
    """Whether the pattern is found anywhere; texts over 8192 code points are not searched."""
    return len(text) <= 8192 and python_regex(pattern, ignore_case).search(text) is not None
