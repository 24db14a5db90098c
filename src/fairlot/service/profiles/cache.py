"""The profiles that were used lately, for one process. Safe from any thread."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fairlot.profiles import History, Identifier, Profile
from fairlot.profiles.attributes import attributes_size
from fairlot.store.profiles.rows import StoredProfile

PROFILES_KEPT: Final = 50_000
BYTES_KEPT: Final = 64 << 20
"""Of the profiles as they are stored; in memory they take a few times as much."""
_OCCURRENCE_BYTES: Final = 100
_HISTORY_MOST: Final = 1 << 20
HistoryAsked = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Entry:
    profile: Profile
    change_no: int
    size: int
    asked: HistoryAsked | None = None
    history: History = field(default_factory=dict)
    history_size: int = 0


class ProfileCache:
    """What was read is put in with the newest change that the reader saw, `as_of`. It may be old by
    then: it is not kept after the changes of other processes have been followed further than that,
    nor when this process has written that profile since.
    """

    def __init__(self, followed: int, kept: int = PROFILES_KEPT) -> None:
        """`followed` is the newest change when nothing had been read."""
        self._kept = kept
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._owners: dict[tuple[str, Identifier], str] = {}
        self._followed = followed
        self._written: dict[str, int] = {}
        self._bytes = 0

    @property
    def followed(self) -> int:
        return self._followed

    def find(self, project_id: str, identifier: Identifier) -> Profile | None:
        with self._lock:
            owner = self._owners.get((project_id, identifier))
            if owner is None:
                return None
            self._entries.move_to_end(owner)
            return self._entries[owner].profile

    def put_read(self, stored: StoredProfile, as_of: int) -> None:
        with self._lock:
            if as_of < max(self._followed, self._written.get(stored.profile.id, 0)):
                return
            known = self._entries.get(stored.profile.id)
            if known is None or known.change_no <= as_of:
                self._replace(stored, as_of)

    def put_written(
        self, written: Iterable[StoredProfile], gone: Iterable[str], change_no: int
    ) -> None:
        """What a commit of this process has changed."""
        for each in gone:
            with self._lock:
                self._written[each] = change_no
                self._drop(each)
        for stored in written:
            with self._lock:
                self._written[stored.profile.id] = change_no
                self._drop(stored.profile.id)
                if change_no >= self._followed:
                    self._replace(stored, change_no)

    def history(self, profile: Profile, asked: HistoryAsked) -> History | None:
        """What `keep_history` was given for this very state of the profile."""
        entry = self._entries.get(profile.id)
        if entry is None or entry.profile is not profile:
            return None
        return entry.history if entry.asked == asked else None

    def keep_history(self, profile: Profile, asked: HistoryAsked, history: History) -> None:
        """Long ones are read each time."""
        size = _size_of(history)
        if size > _HISTORY_MOST:
            return
        with self._lock:
            entry = self._entries.get(profile.id)
            if entry is None or entry.profile is not profile:
                return
            self._bytes += size - entry.history_size
            entry.asked, entry.history, entry.history_size = asked, history, size
            self._shrink()

    def follow(self, changed: Mapping[str, int], up_to: int) -> None:
        """Drop what was changed after it was put in: profile ids with the number of the change."""
        with self._lock:
            for profile_id, change_no in changed.items():
                entry = self._entries.get(profile_id)
                if entry is not None and entry.change_no < change_no:
                    self._drop(profile_id)
            self._followed = max(self._followed, up_to)
            self._written = {
                each: change_no
                for each, change_no in self._written.items()
                if change_no > self._followed
            }

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._owners.clear()
            self._bytes = 0

    def _replace(self, stored: StoredProfile, change_no: int) -> None:
        profile, size = stored
        self._drop(profile.id)
        self._entries[profile.id] = _Entry(profile, change_no, size)
        self._bytes += size
        for identifier in profile.identifiers:
            self._owners[profile.project_id, identifier] = profile.id
        self._shrink()

    def _shrink(self) -> None:
        while len(self._entries) > self._kept or self._bytes > BYTES_KEPT:
            self._drop(next(iter(self._entries)))

    def _drop(self, profile_id: str) -> None:
        entry = self._entries.pop(profile_id, None)
        if entry is None:
            return
        self._bytes -= entry.size + entry.history_size
        for identifier in entry.profile.identifiers:
            key = (entry.profile.project_id, identifier)
            if self._owners.get(key) == profile_id:
                del self._owners[key]


def _size_of(history: History) -> int:
    return sum(
        _OCCURRENCE_BYTES + (attributes_size(each.properties) if each.properties else 0)
        for occurrences in history.values()
        for each in occurrences
    )
