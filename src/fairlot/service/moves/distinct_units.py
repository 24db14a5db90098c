"""Telling many units apart without a table of texts, which would not fit the processor's caches."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairlot.service.moves.hashed_units import HashedUnits, Positions, UnitRows

UNKNOWN: Final = -1
_ROWS_AT_ONCE: Final = 1 << 16


def distinct_units(
    text: bytes, lengths: NDArray[np.uint16], is_known: NDArray[np.bool_]
) -> tuple[Positions, list[UnitRows]]:
    """The distinct units that are known, by byte length, a row of bytes each; and for each of the
    units, whose bytes follow each other in `text`, its position among these, UNKNOWN without one.

    A unit is known if `is_known` says so anywhere.
    """
    positions = np.full(len(lengths), UNKNOWN, np.int64)
    groups: list[UnitRows] = []
    count = 0
    for rows, places in _rows_by_length(text, lengths):
        distinct, number = tell_apart(rows)
        known = np.zeros(len(distinct), np.bool_)
        known[number[is_known[places]]] = True
        positions[places] = np.where(known, count + np.cumsum(known) - 1, UNKNOWN)[number]
        groups.append(distinct[known])
        count += len(groups[-1])
    return positions, groups


def tell_apart(rows: UnitRows) -> tuple[UnitRows, Positions]:
    """The distinct rows, and the number of each row among them.

    Rows with the same 64 bits of two hashes are compared; they are the same but for chance.
    """
    units = HashedUnits(rows)
    hashes = units.hashes(b"").astype(np.uint64) << np.uint64(32) | units.hashes(b":")
    distinct, number = _by_value(rows, hashes)
    if np.array_equal(distinct[number], rows):
        return distinct, number
    return _by_value(rows, np.unique(rows, axis=0, return_inverse=True)[1])


def _by_value(
    rows: UnitRows, values: NDArray[np.uint64] | NDArray[np.int64]
) -> tuple[UnitRows, Positions]:
    """A row of each value, and the number of each row's value."""
    order = np.argsort(values)
    is_first = np.diff(values[order], prepend=~values[order[:1]]) != 0
    number = np.empty(len(rows), np.int64)
    number[order] = np.cumsum(is_first) - 1
    return rows[order[is_first]], number


def _rows_by_length(
    text: bytes, lengths: NDArray[np.uint16]
) -> Iterator[tuple[UnitRows, Positions]]:
    """The units of each byte length, and their places."""
    all_bytes = np.frombuffer(text, np.uint8)
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    order = np.argsort(lengths, kind="stable")
    present, first = np.unique(lengths[order], return_index=True)
    bounds = pairwise([*first, len(order)])
    for length, (start, end) in zip(present, bounds, strict=True):
        places = order[start:end]
        rows = np.empty((len(places), length), np.uint8)
        for begin in range(0, len(places), _ROWS_AT_ONCE):
            some = starts[places[begin : begin + _ROWS_AT_ONCE]]
            rows[begin : begin + len(some)] = all_bytes[some[:, None] + np.arange(length)]
        yield rows, places
