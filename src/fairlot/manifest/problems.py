"""What is wrong with a file that someone wrote: every problem, each with its place and fix."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

PAGE: Final = "docs/reference/experiments.md"
MAX_LISTED: Final = 8
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
        return ": ".join(part for part in parts if part)


@dataclass(slots=True)
class Problems:
    """Problems of one file, or of one document in it, in the order in which they were found."""

    file: str
    found: list[SpecProblem] = field(default_factory=list)
    _troubled: set[str] = field(default_factory=set)

    def add(self, line: int, path: str, value: str, message: str) -> None:
        self.found.append(SpecProblem(self.file, line, path, value, message))
        self._troubled.add(path)
        self._troubled.update(path[: joint.start()] for joint in _JOINT.finditer(path))

    def under(self, path: str) -> bool:
        """Whether anything at `path` or below it is a problem already."""
        return path in self._troubled

    def __len__(self) -> int:
        return len(self.found)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known spelling that `word` was most likely meant to be."""
    spellings = {spelling.lower(): spelling for spelling in known}
    close = difflib.get_close_matches(word.lower(), spellings, n=1)
    return spellings[close[0]] if close else None


def suggestion(word: str, known: Iterable[str], page: str = "") -> str:
    """`did you mean x?`, or what is known: the list, or the page that has it if it is long."""
    names = sorted(known)
    near = nearest(word, names)
    if near:
        return f"did you mean {near}?"
    return f"see {page}" if page and len(names) > MAX_LISTED else f"known: {', '.join(names)}"
