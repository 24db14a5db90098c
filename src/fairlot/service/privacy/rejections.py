"""Who has rejected, as one process knows it: asked at every event, so it is all in memory."""

import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from fairlot.profiles import Identifier, subject_identifier
from fairlot.store.profiles.rejections import RejectionRow

_LOOSE_ANYWAY: Final = 4096
_LOOSE_SHARE: Final = 8


class _Known(NamedTuple):
    """Swapped whole. `names` rise, each with when it ends at the same place of `untils`."""

    names: "array[int]"
    untils: "array[int]"


class _Loose(NamedTuple):
    change_no: int
    until_ms: int


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Rejections:
    """Of each name of a subject who rejected 64 bits of a hash are kept, and when that ends: 16
    bytes. One of 10 million names is mistaken for another in 2 of 10^12 questions. Safe from any
    thread."""

    def __init__(self, clock_ms: Callable[[], int] = _now_ms) -> None:
        self.followed = 0
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._known = _Known(array("Q"), array("q"))
        self._loose: dict[int, _Loose] = {}

    def __len__(self) -> int:
        return len(self._known.names) + len(self._loose)

    def rejects(self, project_id: str, subject_id: str) -> bool:
        """Whether nothing may be recorded of this subject."""
        if not self._loose and not self._known.names:
            return False
        return self.rejects_as(project_id, subject_identifier(subject_id))

    def rejects_as(self, project_id: str, identifier: Identifier) -> bool:
        return self._clock_ms() < self.until_ms(project_id, identifier)

    def until_ms(self, project_id: str, identifier: Identifier) -> int:
        """Until when; 0 when nobody who is called so has rejected."""
        name = _name_of(project_id, identifier.digest())
        loose = self._loose.get(name)
        if loose is not None:
            return loose.until_ms
        names, untils = self._known
        place = bisect_left(names, name)
        return untils[place] if place < len(names) and names[place] == name else 0

    def note(self, rows: Iterable[RejectionRow]) -> None:
        """What was written. It may come in any order."""
        with self._lock:
            for row in rows:
                name = _name_of(row.project_id, row.digest)
                known = self._loose.get(name)
                if known is None or known.change_no <= row.change_no:
                    self._loose[name] = _Loose(row.change_no, row.until_ms)
                if len(self._loose) > _LOOSE_ANYWAY + len(self._known.names) // _LOOSE_SHARE:
                    self._settle()

    def _settle(self) -> None:
        """First what is settled, then nothing is loose: who asks meanwhile finds it at one of the
        two."""
        import numpy as np  # it takes a fifth of a command's time to load, and few need it

        names, untils = (np.array(each, each.typecode) for each in self._known)
        loose = np.fromiter(self._loose, np.uint64, len(self._loose))
        ends = np.fromiter((each.until_ms for each in self._loose.values()), np.int64, len(loose))
        stays = ~np.isin(names, loose)
        names = np.concatenate([names[stays], loose])
        untils = np.concatenate([untils[stays], ends])
        lives = untils > self._clock_ms()
        names, untils = names[lives], untils[lives]
        order = np.argsort(names)
        self._known = _Known(
            array("Q", names[order].tobytes()), array("q", untils[order].tobytes())
        )
        self._loose = {}


def _name_of(project_id: str, digest: bytes) -> int:
    return int.from_bytes(digest[:8]) ^ _project(project_id)


@lru_cache(maxsize=4096)
def _project(project_id: str) -> int:
    return int.from_bytes(sha256(project_id.encode()).digest()[:8])
