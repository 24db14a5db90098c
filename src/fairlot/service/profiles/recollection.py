"""What the writer of a process still knows from its own commits, so that a subject who does much is
not read again for each of them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fairlot.profiles import Identifier, Profile
from fairlot.service.profiles.known_history import KnownHistory

BYTES_KEPT: Final = 32 << 20
_OTHERS_MOST: Final = 100


@dataclass(slots=True)
class Recalled:
    """A profile, its size as it is stored, and its history."""

    profile: Profile
    size: int
    history: KnownHistory
    weight: int = 0
    change_no: int = 0


class Recollection:
    """What a transaction takes out is known again only when that is kept after its commit:
    histories are changed in place. `forget` and `clear` may be called from any thread, the others
    are for the writer's."""

    def __init__(self, bytes_kept: int = BYTES_KEPT) -> None:
        self._bytes_kept = bytes_kept
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[str, Recalled] = OrderedDict()
        self._owners: dict[tuple[str, Identifier], str] = {}
        self._taken: dict[str, Recalled] = {}
        self._change_no = 0
        self._followed = 0

    def begin(self, change_no: int, changed_since: Callable[[int], Iterable[str]]) -> None:
        """A transaction of that number. What others have changed since the last one is forgotten;
        all of it when they were many, and when the numbers went back, as in a restored database.
        """
        by_others = change_no - self._change_no - 1
        if not 0 <= by_others <= _OTHERS_MOST:
            self.clear()
            return
        changed = changed_since(self._change_no) if by_others else ()
        with self._lock:
            self._let_go_of_taken()
            for profile_id in changed:
                self._drop(profile_id)

    def take(self, project_id: str, identifier: Identifier) -> Recalled | None:
        """Whom it names, if that is known."""
        with self._lock:
            owner = self._owners.get((project_id, identifier))
            if owner is None:
                return None
            taken = self._taken.get(owner)
            if taken is None:
                taken = self._taken[owner] = self._kept.pop(owner)
                self._bytes -= taken.weight
            return taken

    def keep(self, known: Iterable[Recalled], change_no: int) -> None:
        """What is known after a commit of that number, of all that was taken out and more."""
        with self._lock:
            self._let_go_of_taken()
            self._change_no = change_no
            if change_no < self._followed:
                return
            for each in known:
                self._put(each, change_no)
            while self._bytes > self._bytes_kept:
                self._drop(next(iter(self._kept)))

    def forget(self, changed: Mapping[str, int], up_to: int) -> None:
        """What was changed after it was kept: profile ids with the number of the change."""
        with self._lock:
            self._followed = max(self._followed, up_to)
            for profile_id, change_no in changed.items():
                kept = self._kept.get(profile_id)
                if kept is not None and kept.change_no < change_no:
                    self._drop(profile_id)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._owners.clear()
            self._taken = {}
            self._bytes = 0

    def _let_go_of_taken(self) -> None:
        for each in self._taken.values():
            self._forget_names(each.profile)
        self._taken = {}

    def _put(self, recalled: Recalled, change_no: int) -> None:
        recalled.history.forget_long()
        recalled.change_no = change_no
        recalled.weight = recalled.size + recalled.history.size
        profile = recalled.profile
        self._drop(profile.id)
        self._kept[profile.id] = recalled
        self._bytes += recalled.weight
        for identifier in profile.identifiers:
            self._owners[profile.project_id, identifier] = profile.id

    def _drop(self, profile_id: str) -> None:
        dropped = self._kept.pop(profile_id, None)
        if dropped is not None:
            self._bytes -= dropped.weight
            self._forget_names(dropped.profile)

    def _forget_names(self, profile: Profile) -> None:
        for identifier in profile.identifiers:
            self._owners.pop((profile.project_id, identifier), None)
