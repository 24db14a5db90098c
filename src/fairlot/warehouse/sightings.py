"""What the event log has seen of units, in a form that goes from process to process.

Sightings are parted by a checksum of the unit, so that what was seen of one unit in all places can
be put together without looking at the others.
"""

from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from fairlot.engine.hashing import utf8

# What is told of a unit in an experiment: by an exposure, that it matched the audience, and that
# its variant was drawn or came from an adapter; by an assignment, what the server remembers.
MATCHED: Final = 0
DRAWN: Final = 1
BY_ADAPTER: Final = 2
ASSIGNED: Final = 3

UNKNOWN_VARIANT: Final = -1
NOTHING: Final = -1
"""The label of a row that only says that its unit was seen."""

_KIND_BITS: Final = 4
_VARIANT_BITS: Final = 12
_FULL_FROM: Final = 200_000

Labels = NDArray[np.int64]


class Wanted(NamedTuple):
    """An experiment that is asked about. A label gives its variant as a position in `variants`."""

    experiment_key: str
    experiment_id: str
    by_account: bool
    variants: tuple[str, ...]


class Seen(msgspec.Struct, frozen=True):
    """Rows about subjects, or about accounts: the unit in UTF-8, what is told of it, as by
    `label_of`, and when that was. `text` are the units one after the other, the others are numbers:
    16 bits a length, 64 bits a label and a time."""

    text: bytes
    lengths: bytes
    labels: bytes
    at_ms: bytes


class Sightings(msgspec.Struct, frozen=True):
    """Rows of one part. Exposures make their units known, assignments do not."""

    are_exposures: bool
    subjects: Seen
    accounts: Seen


class Rows:
    """Rows as they come."""

    def __init__(self) -> None:
        self.units: list[str] = []
        self.labels, self.at_ms = array("q"), array("q")

    def parted(self, parts: int) -> list[Seen]:
        units = _all_utf8(self.units)
        sums = np.fromiter(map(crc32, units), np.uint32, len(units))
        labels, at_ms = (np.frombuffer(each, np.int64) for each in (self.labels, self.at_ms))
        lengths = np.fromiter(map(len, units), np.uint16, len(units))
        return [
            Seen(
                b"".join([units[place] for place in chosen.tolist()]),
                lengths[chosen].tobytes(),
                labels[chosen].tobytes(),
                at_ms[chosen].tobytes(),
            )
            for chosen in _places_by_part((sums % parts).astype(np.uint16), parts)
        ]


class Gathering:
    """Rows until they are so many that they are better parted: texts take much room."""

    def __init__(self, *, are_exposures: bool) -> None:
        self.subjects, self.accounts = Rows(), Rows()
        self._are_exposures = are_exposures

    @property
    def is_full(self) -> bool:
        return len(self.subjects.units) + len(self.accounts.units) >= _FULL_FROM

    def parted(self, parts: int) -> list[Sightings]:
        both = zip(self.subjects.parted(parts), self.accounts.parted(parts), strict=True)
        return [Sightings(self._are_exposures, subjects, accounts) for subjects, accounts in both]


def label_of(experiment: int, variant: int, kind: int) -> int:
    """An experiment, by its place among the wanted, its variant, and a kind, in one number."""
    return (experiment << _VARIANT_BITS | variant + 1) << _KIND_BITS | kind


def experiments_in(labels: Labels) -> NDArray[np.int64]:
    return labels >> _KIND_BITS + _VARIANT_BITS


def variants_in(labels: Labels) -> NDArray[np.int16]:
    variants = (labels >> _KIND_BITS & (1 << _VARIANT_BITS) - 1) - 1
    return variants.astype(np.int16)


def kinds_in(labels: Labels) -> NDArray[np.int8]:
    return (labels & (1 << _KIND_BITS) - 1).astype(np.int8)


def _all_utf8(units: Sequence[str]) -> list[bytes]:
    try:
        return list(map(str.encode, units))
    except UnicodeEncodeError:
        return list(map(utf8, units))


def _places_by_part(part: NDArray[np.uint16], parts: int) -> list[NDArray[np.int64]]:
    """In their order."""
    order = np.argsort(part, kind="stable")
    return np.split(order, np.searchsorted(part[order], np.arange(1, parts)))
