"""What is known of one profile's history without reading."""

from bisect import bisect_left
from dataclasses import dataclass

from fairlot.profiles import Occurrence
from fairlot.store.profiles.event_rows import HISTORY_PER_NAME, FoundHistory


@dataclass(slots=True)
class ReadHistory:
    """All events of one name from `since_ms` on, the latest first, kept up with what is added."""

    since_ms: int
    found: FoundHistory


class KnownHistory:
    """By name; what one that `is_whole` does not name has not happened. `size` is what it takes in
    memory, about, in bytes."""

    __slots__ = ("_by_name", "_long", "is_whole", "size")

    def __init__(self, *, is_whole: bool = False) -> None:
        self._by_name: dict[str, ReadHistory] = {}
        self._long: set[str] = set()
        self.is_whole = is_whole
        self.size = 0

    def of(self, name: str) -> ReadHistory | None:
        found = self._by_name.get(name)
        if found is None and self.is_whole:
            found = self._by_name[name] = ReadHistory(0, FoundHistory())
        return found

    def put(self, name: str, read: ReadHistory) -> None:
        """In place of what was known of that name."""
        before = self._by_name.get(name)
        self.size += read.found.size - (0 if before is None else before.found.size)
        self._by_name[name] = read
        self._note_length(name, read.found)

    def add(self, name: str, occurrence: Occurrence, size: int) -> None:
        """It has happened; nothing is known of that name when nothing was."""
        known = self.of(name)
        if known is None:
            return
        found = known.found
        _insert(found.latest, occurrence)
        found.size += size
        self.size += size
        self._note_length(name, found)

    def forget_long(self) -> None:
        """What is longer than anybody asks for."""
        if self._long:
            for name in self._long:
                self.size -= self._by_name.pop(name).found.size
            self._long.clear()
            self.is_whole = False

    def _note_length(self, name: str, found: FoundHistory) -> None:
        if len(found.latest) > HISTORY_PER_NAME:
            self._long.add(name)


def _insert(latest_first: list[Occurrence], added: Occurrence) -> None:
    """Before all that happened at the same moment or earlier."""
    latest_first.insert(bisect_left(latest_first, -added.at_ms, key=backwards), added)


def backwards(occurrence: Occurrence) -> int:
    """By which the latest come first."""
    return -occurrence.at_ms
