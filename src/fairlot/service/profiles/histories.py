"""What happened before, for the rules that a transaction runs, and what it adds."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from fairlot.profiles import Happening, History, Occurrence, Profile
from fairlot.service.profiles.known_history import KnownHistory, ReadHistory, backwards
from fairlot.service.profiles.recollection import Recalled
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
        self._known: defaultdict[str, KnownHistory] = defaultdict(KnownHistory)

    def read_ids(self, event_ids: Mapping[str, Iterable[str]]) -> None:
        """Which of them are known, by project id."""
        for project_id, ids in event_ids.items():
            known = event_rows.known_events(self._connection, project_id, ids)
            self._known_ids.update((project_id, each) for each in known)

    def recall(self, recalled: Recalled) -> None:
        """What is known of a profile without reading."""
        self._known[recalled.profile.id] = recalled.history

    def recalled(self, profile: Profile, size: int) -> Recalled:
        """What is known of it now."""
        return Recalled(profile, size, self._known[profile.id])

    def read(self, wanted: Iterable[Wanted]) -> None:
        """So that `of` needs no statement for them: one for each name."""
        since_ms: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for profile_id, name, from_ms in wanted:
            known = self._known[profile_id].of(name)
            if known is None or known.since_ms > from_ms:
                of_name = since_ms[name]
                of_name[profile_id] = min(from_ms, of_name.get(profile_id, from_ms))
        for name, profile_ids in since_ms.items():
            self._read_of(profile_ids, name, min(profile_ids.values()))

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

    def knows_all_of(self, profile_id: str) -> bool:
        """So that nothing of it has to be read."""
        return self._known[profile_id].is_whole

    def begin(self, profile_id: str) -> None:
        """A profile that was just made: nothing has happened before."""
        self._known[profile_id].is_whole = True

    def add(self, project_id: str, profile_id: str, happening: Happening) -> None:
        row = event_rows.event_row(project_id, profile_id, happening)
        self._added.append(row)
        occurrence = Occurrence(happening.at_ms, happening.properties)
        size = event_rows.size_of(row.properties)
        self._known[profile_id].add(happening.name, occurrence, size)

    def move(self, from_id: str, to_id: str) -> None:
        """All events of the one are the other's."""
        self.write()
        event_rows.move_events(self._connection, from_id, to_id)
        for each in (from_id, to_id):
            self._known.pop(each, None)

    def write(self) -> None:
        event_rows.add_events(self._connection, self._added)
        self._added.clear()

    def _since(self, profile_id: str, name: str, since_ms: int) -> tuple[Occurrence, ...]:
        known = self._known[profile_id].of(name)
        if known is None or known.since_ms > since_ms:
            known = self._read_of((profile_id,), name, since_ms)[profile_id]
        latest = known.found.latest
        end = bisect_right(latest, -since_ms, key=backwards)
        return tuple(latest[: min(end, event_rows.HISTORY_PER_NAME)])

    def _read_of(
        self, profile_ids: Iterable[str], name: str, since_ms: int
    ) -> Mapping[str, ReadHistory]:
        self.write()
        ids = tuple(profile_ids)
        found = event_rows.read_histories(self._connection, ids, name, since_ms)
        read = {
            each: ReadHistory(since_ms, found.get(each) or event_rows.FoundHistory())
            for each in ids
        }
        for each, history in read.items():
            self._known[each].put(name, history)
        return read
