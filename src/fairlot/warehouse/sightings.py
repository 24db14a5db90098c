"""Which units were seen in the event log, and what is known of them in some experiments.

Sightings are parted by a checksum of the unit, so that what was seen of one unit in all places can
be put together without looking at the others.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Final, NamedTuple, overload
from zlib import crc32

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
_PACKED_FROM: Final = 1_000_000


class Wanted(NamedTuple):
    """An experiment that is asked about. A row gives its variant as a position in `variants`."""

    experiment_key: str
    experiment_id: str
    by_account: bool
    variants: tuple[str, ...]


class Units(NamedTuple):
    """The UTF-8 of distinct units, one after the other."""

    text: bytes
    lengths: NDArray[np.uint16]

    def each(self) -> Iterator[bytes]:
        start = 0
        for length in self.lengths.tolist():
            yield self.text[start : start + length]
            start += length


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


class Places(dict[str, int]):
    """A place for each text, given at first sight."""

    def __missing__(self, text: str) -> int:
        place = self[text] = len(self)
        return place


class Gathering:
    """Rows as they come. Texts take many times the room that they take once they are parted, so
    a gathering that is full is parted and a new one begun."""

    def __init__(self, wanted: Sequence[Wanted], *, are_exposures: bool) -> None:
        self.subjects, self.accounts = Places(), Places()
        self.units_of = [self.accounts if each.by_account else self.subjects for each in wanted]
        self._are_exposures = are_exposures
        self._by_account = np.array([each.by_account for each in wanted], np.bool_)
        self._unit, self._label, self._at_ms = array("q"), array("q"), array("q")

    @property
    def is_full(self) -> bool:
        return max(len(self._unit), len(self.subjects), len(self.accounts)) >= _PACKED_FROM

    def add(self, label: int, unit_id: str, at_ms: int) -> None:
        """`label` as by `label_of`."""
        self._unit.append(self.units_of[experiment_in(label)][unit_id])
        self._label.append(label)
        self._at_ms.append(at_ms)

    def parted(self, parts: int) -> list[Sightings]:
        rows = self._newest(self._rows()) if self._are_exposures else self._rows()
        subjects, accounts = _Parted(self.subjects, parts), _Parted(self.accounts, parts)
        part, place = np.empty_like(rows.unit), np.empty_like(rows.unit)
        of_account = self._by_account[rows.experiment]
        for units, chosen in ((accounts, of_account), (subjects, ~of_account)):
            part[chosen] = units.part[rows.unit[chosen]]
            place[chosen] = units.place[rows.unit[chosen]]
        placed = rows._replace(unit=place)
        return [
            Sightings(
                self._are_exposures,
                subjects.units(each),
                accounts.units(each),
                placed.only(part == each),
            )
            for each in range(parts)
        ]

    def _rows(self) -> Rows:
        label = np.frombuffer(self._label, np.int64)
        return Rows(
            unit=np.frombuffer(self._unit, np.int64),
            experiment=experiment_in(label).astype(np.uint16),
            variant=((label >> _KIND_BITS & (1 << _VARIANT_BITS) - 1) - 1).astype(np.int16),
            kind=(label & (1 << _KIND_BITS) - 1).astype(np.int8),
            at_ms=np.frombuffer(self._at_ms, np.int64),
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

    def __init__(self, units: Iterable[str], parts: int) -> None:
        self._units = [utf8(unit) for unit in units]
        self.part = np.fromiter(map(crc32, self._units), np.uint32, len(self._units)) % parts
        self.place = np.empty_like(self.part)
        for each in range(parts):
            chosen = self.part == each
            self.place[chosen] = np.arange(np.count_nonzero(chosen))

    def units(self, part: int) -> Units:
        chosen = list(compress(self._units, (self.part == part).tolist()))
        return Units(b"".join(chosen), np.fromiter(map(len, chosen), np.uint16, len(chosen)))


def label_of(experiment: int, variant: int, kind: int) -> int:
    """An experiment and its variant, by their places, and a kind, in one number."""
    return (experiment << _VARIANT_BITS | variant + 1) << _KIND_BITS | kind


@overload
def experiment_in(label: int) -> int: ...
@overload
def experiment_in(label: NDArray[np.int64]) -> NDArray[np.int64]: ...
def experiment_in(label: int | NDArray[np.int64]) -> int | NDArray[np.int64]:
    return label >> _KIND_BITS + _VARIANT_BITS
