"""The profiles that were used lately, for one process. Safe from any thread."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fairlot.profiles import History, Identifier, Profile

PROFILES_KEPT: Final = 50_000
_ACCOUNTS_KEPT: Final = 50_000


@dataclass(slots=True)
class _Entry:
    profile: Profile
    change_no: int
    histories: dict[tuple[tuple[str, int], ...], History] = field(default_factory=dict)


class ProfileCache:
    """What was read is put in with the newest change that the reader saw, `as_of`: after the
    changes of other processes have been followed further than that, it may be old, and is not kept.
    """

    def __init__(self, kept: int = PROFILES_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._owners: dict[tuple[str, Identifier], str] = {}
        self._accounts: OrderedDict[tuple[str, bytes], Mapping[str, Any]] = OrderedDict()
        self._followed = 0

    @property
    def followed(self) -> int:
        return self._followed

    def find(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        """The profile that the first of them which is known here names."""
        with self._lock:
            for identifier in identifiers:
                owner = self._owners.get((project_id, identifier))
                if owner is not None:
                    self._entries.move_to_end(owner)
                    return self._entries[owner].profile
        return None

    def put(self, profiles: Iterable[Profile], as_of: int) -> None:
        with self._lock:
            if as_of < self._followed:
                return
            for profile in profiles:
                known = self._entries.get(profile.id)
                if known is None or known.change_no <= as_of:
                    self._drop(profile.id)
                    self._add(_Entry(profile, as_of))

    def history(self, profile: Profile, wanted: tuple[tuple[str, int], ...]) -> History | None:
        """What `keep_history` was given for this very state of the profile."""
        entry = self._entries.get(profile.id)
        if entry is None or entry.profile is not profile:
            return None
        return entry.histories.get(wanted)

    def keep_history(
        self, profile: Profile, wanted: tuple[tuple[str, int], ...], history: History
    ) -> None:
        entry = self._entries.get(profile.id)
        if entry is not None and entry.profile is profile:
            entry.histories = {wanted: history}

    def account(self, project_id: str, digest: bytes) -> Mapping[str, Any] | None:
        return self._accounts.get((project_id, digest))

    def put_account(
        self, project_id: str, digest: bytes, attributes: Mapping[str, Any], as_of: int
    ) -> None:
        with self._lock:
            if as_of < self._followed:
                return
            self._accounts[project_id, digest] = attributes
            while len(self._accounts) > _ACCOUNTS_KEPT:
                self._accounts.popitem(last=False)

    def forget(self, ids: Iterable[str]) -> None:
        with self._lock:
            for each in ids:
                self._drop(each)

    def follow(
        self,
        changed: Mapping[str, int],
        accounts: Iterable[tuple[str, bytes]],
        up_to: int,
    ) -> None:
        """Drop what was changed after it was put in: profile ids with the number of the change."""
        with self._lock:
            for profile_id, change_no in changed.items():
                entry = self._entries.get(profile_id)
                if entry is not None and entry.change_no < change_no:
                    self._drop(profile_id)
            for each in accounts:
                self._accounts.pop(each, None)
            self._followed = max(self._followed, up_to)

    def _add(self, entry: _Entry) -> None:
        profile = entry.profile
        self._entries[profile.id] = entry
        for identifier in profile.identifiers:
            self._owners[profile.project_id, identifier] = profile.id
        while len(self._entries) > self._kept:
            self._drop(next(iter(self._entries)))

    def _drop(self, profile_id: str) -> None:
        entry = self._entries.pop(profile_id, None)
        if entry is None:
            return
        for identifier in entry.profile.identifiers:
            key = (entry.profile.project_id, identifier)
            if self._owners.get(key) == profile_id:
                del self._owners[key]
