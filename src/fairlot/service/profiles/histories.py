"""What happened before, for the rules that a transaction runs, and what it adds."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from fairlot.profiles import Happening, History, Occurrence
from fairlot.store.profiles import event_rows


class Wanted(NamedTuple):
    """The events called `name` of one profile, not older than `since_ms`."""

    profile_id: str
    name: str
    since_ms: int


class Histories:
    """Histories are read at once for many profiles, and kept up with what is added."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known_ids: set[tuple[str, str]] = set()
        self._added: list[event_rows.EventRow] = []
        self._read: dict[tuple[str, str], list[Occurrence]] = {}
        self._read_since: dict[tuple[str, str], int] = {}
        self._begun: set[str] = set()

    def read_ids(self, event_ids: Mapping[str, Iterable[str]]) -> None:
        """Which of them are known, by project id."""
        for project_id, ids in event_ids.items():
            known = event_rows.known_events(self._connection, project_id, ids)
            self._known_ids.update((project_id, each) for each in known)

    def read(self, wanted: Iterable[Wanted]) -> None:
        """So that `of` needs no statement for them: one for each name."""
        since_ms: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for each in wanted:
            of_name = since_ms[each.name]
            earliest = of_name.get(each.profile_id, each.since_ms)
            of_name[each.profile_id] = min(each.since_ms, earliest)
        for name, profile_ids in since_ms.items():
            self._read_of(profile_ids, (name,), min(profile_ids.values()))

    def is_known(self, project_id: str, event_id: str) -> bool:
        return (project_id, event_id) in self._known_ids

    def is_new(self, project_id: str, event_id: str) -> bool:
        """Asked twice of one event, it is new once."""
        key = (project_id, event_id)
        if key in self._known_ids:
            return False
        self._known_ids.add(key)
        return True

    def of(self, profile_id: str, wanted: Mapping[str, int], at_ms: int) -> History:
        """Its events of those names, as far back from `at_ms` as wanted says, in ms."""
        return {
            name: self._since(profile_id, name, at_ms - within_ms)
            for name, within_ms in wanted.items()
        }

    def begin(self, profile_id: str) -> None:
        """A profile that was just made: nothing has happened before."""
        self._begun.add(profile_id)

    def add(self, project_id: str, profile_id: str, happening: Happening) -> None:
        self._added.append(event_rows.event_row(project_id, profile_id, happening))
        known = self._known(profile_id, happening.name)
        if known is not None:
            _insert(known, Occurrence(happening.at_ms, happening.properties))

    def move(self, from_id: str, to_id: str) -> None:
        """All events of the one are the other's."""
        self.write()
        self._begun -= {from_id, to_id}
        event_rows.move_events(self._connection, from_id, to_id)
        for key in [each for each in self._read_since if each[0] in (from_id, to_id)]:
            del self._read[key], self._read_since[key]

    def write(self) -> None:
        event_rows.add_events(self._connection, self._added)
        self._added.clear()

    def _since(self, profile_id: str, name: str, since_ms: int) -> tuple[Occurrence, ...]:
        key = (profile_id, name)
        if self._known(*key) is None or self._read_since[key] > since_ms:
            self._read_of((profile_id,), (name,), since_ms)
        latest = self._read[key]
        end = bisect_right(latest, -since_ms, key=_backwards)
        return tuple(latest[: min(end, event_rows.HISTORY_PER_NAME)])

    def _known(self, profile_id: str, name: str) -> list[Occurrence] | None:
        """What has been read, kept up; all of it for a profile that was just made."""
        key = (profile_id, name)
        if key not in self._read and profile_id in self._begun:
            self._read[key], self._read_since[key] = [], 0
        return self._read.get(key)

    def _read_of(self, profile_ids: Iterable[str], names: Iterable[str], since_ms: int) -> None:
        self.write()
        ids, named = tuple(profile_ids), tuple(names)
        found = event_rows.read_histories(self._connection, ids, named, since_ms)
        for profile_id in ids:
            for name in named:
                key = (profile_id, name)
                self._read[key] = found.get(key, [])
                self._read_since[key] = since_ms


def _insert(latest_first: list[Occurrence], added: Occurrence) -> None:
    """Before all that happened at the same moment or earlier."""
    latest_first.insert(bisect_left(latest_first, -added.at_ms, key=_backwards), added)


def _backwards(occurrence: Occurrence) -> int:
    return -occurrence.at_ms
