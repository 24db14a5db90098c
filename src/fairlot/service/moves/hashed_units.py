"""The buckets of many units at once: murmur3_x86_32 of `salt:purpose:unit`, as in the engine.

Units of one byte length are hashed together. The text before the id is the same for all, so its
whole words are hashed once; the rest of the words are laid out once for each of the four ways in
which an id can lie across them, and scrambled before the salt is known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fairlot.engine.hashing import hash_text
from fairlot.engine.model import BUCKETS

Positions = NDArray[np.int64]
UnitRows = NDArray[np.uint8]
Buckets = NDArray[np.uint16]
_Words = NDArray[np.uint32]

UNITS_AT_ONCE: Final = 1 << 15  # what is worked on stays in the processor's cache
_MASK: Final = 0xFFFFFFFF
_C1, _C2, _C3 = 0xCC9E2D51, 0x1B873593, 0xE6546B64
_F1, _F2 = 0x85EBCA6B, 0xC2B2AE35


@dataclass(frozen=True, slots=True)
class HashedUnits:
    """Units of one byte length, a row of bytes each. What was hashed is kept, so a draw that many
    experiments share costs once."""

    rows: UnitRows
    _words: dict[int, _Words] = field(default_factory=dict)
    _buckets: dict[tuple[str, str], Buckets] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, positions: Positions) -> "HashedUnits":
        return HashedUnits(self.rows[positions])

    def buckets(self, salt: str, purpose: str) -> Buckets:
        """The bucket, 0 to 9999, of each unit; do not change it."""
        known = self._buckets.get((salt, purpose))
        if known is None:
            hashes = self.hashes(hash_text(salt, purpose, "").encode()).astype(np.uint64)
            hashes *= np.uint64(BUCKETS)
            hashes >>= np.uint64(32)
            known = self._buckets[salt, purpose] = hashes.astype(np.uint16)
        return known

    def hashes(self, prefix: bytes) -> _Words:
        """murmur3_x86_32, seed 0, of `prefix` followed by each unit."""
        whole, lead = divmod(len(prefix), 4)
        state = _state_after(prefix[: 4 * whole])
        words = self._laid_out(lead)
        length = len(prefix) + self.rows.shape[1]
        hashes = np.full(len(self.rows), state, np.uint32)
        for index, word in enumerate(words):
            if index == 0 and lead:
                word = word | np.uint32(int.from_bytes(prefix[4 * whole :], "little"))
                _scramble(word)
            hashes ^= word
            if 4 * (whole + index + 1) <= length:
                _rotate(hashes, 13)
                hashes *= np.uint32(5)
                hashes += np.uint32(_C3)
        _finish(hashes, length)
        return hashes

    def _laid_out(self, lead: int) -> _Words:
        """The words after `lead` bytes of something else, one row a word, all scrambled but the
        first if it is to be completed."""
        known = self._words.get(lead)
        if known is None:
            count, length = self.rows.shape
            padded = np.zeros((count, -(-(lead + length) // 4) * 4), np.uint8)
            padded[:, lead : lead + length] = self.rows
            known = np.ascontiguousarray(padded.view("<u4").T, dtype=np.uint32)
            _scramble(known[1:] if lead else known)
            self._words[lead] = known
        return known


def blocks_of(groups: Iterable[UnitRows]) -> Iterator[tuple[int, HashedUnits]]:
    """The units of the groups in blocks, each with the number of units before it."""
    start = 0
    for rows in groups:
        for begin in range(0, len(rows), UNITS_AT_ONCE):
            block = HashedUnits(rows[begin : begin + UNITS_AT_ONCE])
            yield start, block
            start += len(block)


def _state_after(words: bytes) -> int:
    """The hash state after whole words, as plain integers."""
    state = 0
    for start in range(0, len(words), 4):
        word = int.from_bytes(words[start : start + 4], "little") * _C1 & _MASK
        word = (word << 15 | word >> 17) & _MASK
        state ^= word * _C2 & _MASK
        state = (state << 13 | state >> 19) & _MASK
        state = (state * 5 + _C3) & _MASK
    return state


def _scramble(words: _Words) -> None:
    words *= np.uint32(_C1)
    _rotate(words, 15)
    words *= np.uint32(_C2)


def _rotate(words: _Words, bits: int) -> None:
    carried = words >> np.uint32(32 - bits)
    words <<= np.uint32(bits)
    words |= carried


def _finish(hashes: _Words, length: int) -> None:
    hashes ^= np.uint32(length)
    hashes ^= hashes >> np.uint32(16)
    hashes *= np.uint32(_F1)
    hashes ^= hashes >> np.uint32(13)
    hashes *= np.uint32(_F2)
    hashes ^= hashes >> np.uint32(16)
