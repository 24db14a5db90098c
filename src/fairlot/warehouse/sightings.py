"""Which units were seen in the event log, and what is known of them in some experiments.

Sightings are parted by a checksum of the unit, so that what was seen of one unit in all places can
be put together without looking at the others.
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from fairlot.engine.hashing import utf8

# What a row tells of a unit in an experiment: an exposure, that it matched the audience, and that
# its variant was drawn or came from a decision adapter; an assignment, what the server remembers.
MATCHED: Final = 0
DRAWN: Final = 1
BY_ADAPTER: Final = 2
ASSIGNED: Final = 3

UNKNOWN_VARIANT: Final = -1

_KIND_BITS, _VARIANT_BITS = 4, 12
EXPERIMENT_SHIFT: Final = _KIND_BITS + _VARIANT_BITS
_PACKED_FROM: Final = 1_000_000


class Wanted(NamedTuple):
    """An experiment that is asked about. A row gives its variant as a position in `variants`."""

    experiment_key: str
    experiment_id: str
    by_account: bool
    variants: tuple[str, ...]


class Units(NamedTuple):
    """The UTF-8 of distinct units, in a list that is packed: it goes through processes that do
    not look into it."""

    packed: bytes

    @classmethod
    def of(cls, units: Sequence[bytes]) -> "Units":
        return cls(msgspec.msgpack.encode(units))

    def each(self) -> list[bytes]:
        return msgspec.msgpack.decode(self.packed, type=list[bytes])


class Rows(NamedTuple):
    """One entry a row: a unit, by its place among the accounts where the experiment is by account
    and else among the subjects, in an experiment, by its place among the wanted."""

    unit: NDArray[np.int64]
    experiment: NDArray[np.uint16]
    variant: NDArray[np.int16]
    kind: NDArray[np.int8]
    at_ms: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Rows":
        return Rows(
            self.unit[chosen],
            self.experiment[chosen],
            self.variant[chosen],
            self.kind[chosen],
            self.at_ms[chosen],
        )


class Sightings(NamedTuple):
    """Units of one part, and rows about them: all from exposures, of which there is the newest of
    each unit, experiment and kind, or all from assignments, which make no unit known."""

    are_exposures: bool
    subjects: Units
    accounts: Units
    rows: Rows


class Gathering:
    """Rows as they come: a label as by `label_of`; a unit by its place among the accounts where the
    experiment is by account, and else among the subjects; and when it was.

    Texts take many times the room that they take once they are parted, so a gathering that is full
    is parted and a new one begun.
    """

    def __init__(self, wanted: Sequence[Wanted], *, are_exposures: bool) -> None:
        self.subjects: dict[str, int] = {}
        self.accounts: dict[str, int] = {}
        self.labels, self.units, self.at_ms = array("q"), array("q"), array("q")
        self._are_exposures = are_exposures
        self._by_account = np.array([each.by_account for each in wanted], np.bool_)

    @property
    def is_full(self) -> bool:
        return max(len(self.units), len(self.subjects), len(self.accounts)) >= _PACKED_FROM

    def parted(self, parts: int) -> list[Sightings]:
        rows = self._newest(self._rows()) if self._are_exposures else self._rows()
        subjects, accounts = _Parted(self.subjects, parts), _Parted(self.accounts, parts)
        part, place = np.empty(len(rows.unit), np.uint16), np.empty_like(rows.unit)
        of_account = self._by_account[rows.experiment]
        for units, chosen in ((accounts, of_account), (subjects, ~of_account)):
            part[chosen] = units.part[rows.unit[chosen]]
            place[chosen] = units.place[rows.unit[chosen]]
        in_order = _in_order_of(part, parts)
        placed = rows._replace(unit=place)
        return [
            Sightings(self._are_exposures, of_subjects, of_accounts, placed.only(chosen))
            for of_subjects, of_accounts, chosen in zip(
                subjects.units(), accounts.units(), in_order, strict=True
            )
        ]

    def _rows(self) -> Rows:
        label = np.frombuffer(self.labels, np.int64)
        return Rows(
            unit=np.frombuffer(self.units, np.int64),
            experiment=(label >> EXPERIMENT_SHIFT).astype(np.uint16),
            variant=((label >> _KIND_BITS & (1 << _VARIANT_BITS) - 1) - 1).astype(np.int16),
            kind=(label & (1 << _KIND_BITS) - 1).astype(np.int8),
            at_ms=np.frombuffer(self.at_ms, np.int64),
        )

    @staticmethod
    def _newest(rows: Rows) -> Rows:
        about = rows.experiment.astype(np.int64) << _KIND_BITS | rows.kind
        about = about << 32 | rows.unit
        order = np.lexsort((rows.at_ms, about))  # stable: the last of equals came last
        is_last = np.diff(about[order], append=-1) != 0
        return rows.only(order[is_last])


class _Parted:
    """Units with their parts, and their places among the units of their part."""

    def __init__(self, units: Collection[str], parts: int) -> None:
        self._units = _all_utf8(units)
        sums = np.fromiter(map(crc32, self._units), np.uint32, len(self._units))
        self.part = (sums % parts).astype(np.uint16)
        self._in_order = _in_order_of(self.part, parts)
        self.place = np.empty(len(self._units), np.int64)
        for chosen in self._in_order:
            self.place[chosen] = np.arange(len(chosen))

    def units(self) -> Iterator[Units]:
        for chosen in self._in_order:
            yield Units.of([self._units[place] for place in chosen.tolist()])


def _in_order_of(part: NDArray[np.uint16], parts: int) -> list[NDArray[np.int64]]:
    """Per part the places of what belongs to it, in their order."""
    order = np.argsort(part, kind="stable")
    return np.split(order, np.searchsorted(part[order], np.arange(1, parts)))


def _all_utf8(units: Collection[str]) -> list[bytes]:
    try:
        return list(map(str.encode, units))
    except UnicodeEncodeError:
        return [utf8(unit) for unit in units]


def label_of(experiment: int, variant: int, kind: int) -> int:
    """An experiment and its variant, by their places, and a kind, in one number."""
    return (experiment << _VARIANT_BITS | variant + 1) << _KIND_BITS | kind
