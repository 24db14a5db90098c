"""What is wrong with a file that someone wrote: every problem, each with its place and fix."""

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

PAGE: Final = "docs/reference/experiments.md"
MAX_LISTED: Final = 8
MAX_COMPARED: Final = 500
MAX_PROBLEMS: Final = 500
_JOINT: Final = re.compile(r"[.\[]")


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """`value` is what was written there, as text; `path` and `value` are empty where none apply,
    and `file` where no file says it."""

    file: str
    line: int
    path: str
    value: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file else ""
        parts = (place, self.path, self.value, self.message)
        return printable(": ".join(part for part in parts if part))


@dataclass(slots=True)
class Problems:
    """Problems of one file, or of one document in it, in the order in which they were found.

    At most 500 are kept, and that there are more; all are counted.
    """

    file: str
    found: list[SpecProblem] = field(default_factory=list)
    _count: int = 0
    _troubled: set[str] = field(default_factory=set)

    def add(self, line: int, path: str, value: str, message: str) -> None:
        self._count += 1
        if self._count > MAX_PROBLEMS + 1:
            return
        if self._count > MAX_PROBLEMS:
            path, value, message = "", "", f"over {MAX_PROBLEMS} problems; correct these first"
        self.found.append(SpecProblem(self.file, line, path, value, message))
        self._troubled.add(path)
        self._troubled.update(path[: joint.start()] for joint in _JOINT.finditer(path))

    @property
    def is_full(self) -> bool:
        return self._count > MAX_PROBLEMS

    def under(self, path: str) -> bool:
        """Whether anything at `path` or below it is a problem already."""
        return path in self._troubled

    def __len__(self) -> int:
        return self._count


def printable(value: object) -> str:
    """A text in which what a terminal would obey, or what would end a line, stands as an escape:
    strangers may have written it."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known spelling that `word` was most likely meant to be.

    Of very many, only those are looked at that stand near it in the order of the alphabet.
    """
    spellings = {spelling.lower(): spelling for spelling in known}
    lowered = sorted(spellings)
    if len(lowered) > MAX_COMPARED:
        first = max(0, bisect_left(lowered, word.lower()) - MAX_COMPARED // 2)
        lowered = lowered[first : first + MAX_COMPARED]
    close = difflib.get_close_matches(word.lower(), lowered, n=1)
    return spellings[close[0]] if close else None


def suggestion(word: str, known: Iterable[str], page: str = "") -> str:
    """`did you mean x?`, or what is known: the list, or the page that has it if it is long."""
    names = sorted(known)
    near = nearest(word, names)
    if near:
        return f"did you mean {near}?"
    if len(names) <= MAX_LISTED:
        return f"known: {', '.join(names)}"
    return f"see {page}" if page else f"known: {', '.join(names[:MAX_LISTED])} ... ({len(names)})"
