import random

import numpy as np
import pytest
from numpy.typing import NDArray

from fairlot.service.moves.distinct_units import UNKNOWN, distinct_units, tell_apart
from fairlot.service.moves.hashed_units import HashedUnits


def distinct(units: list[bytes], known: list[bool]) -> tuple[list[int], list[list[bytes]]]:
    positions, groups = distinct_units(
        b"".join(units), np.array([len(unit) for unit in units], np.uint16), np.array(known)
    )
    return positions.tolist(), [[bytes(row) for row in rows] for rows in groups]


def test_distinct_units__lengths_mixed__each_once_in_the_order_of_lengths() -> None:
    units = [b"ccc", b"a", b"ccc", b"bb", b"a", b"d", b""]
    positions, groups = distinct(units, [True] * 7)
    in_order = [unit for rows in groups for unit in rows]
    assert [in_order[position] for position in positions] == units
    assert [len(unit) for unit in in_order] == [0, 1, 1, 2, 3]
    assert len(set(in_order)) == 5


def test_distinct_units__some_are_known_nowhere__without_a_position() -> None:
    positions, groups = distinct([b"a", b"b", b"a", b"cc"], [False, False, True, False])
    assert positions == [0, UNKNOWN, 0, UNKNOWN]
    assert [unit for rows in groups for unit in rows] == [b"a"]


def test_distinct_units__none__none() -> None:
    assert distinct([], []) == ([], [])


def test_distinct_units__many__as_a_dictionary_tells_them_apart() -> None:
    draw = random.Random(5)  # noqa: S311 - the same units each time
    units = [b"%0*d" % (draw.choice([3, 4, 9]), draw.randrange(500)) for _ in range(70_000)]
    positions, groups = distinct(units, [True] * len(units))
    in_order = [unit for rows in groups for unit in rows]
    assert len(in_order) == len(set(units))
    assert [in_order[position] for position in positions] == units


def test_tell_apart__all_hashes_the_same__the_bytes_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_the_same(units: HashedUnits, _prefix: bytes) -> NDArray[np.uint32]:
        return np.full(len(units), 7, np.uint32)

    monkeypatch.setattr(HashedUnits, "hashes", all_the_same)
    rows = np.frombuffer(b"abacab", np.uint8).reshape(6, 1)
    distinct_rows, number = tell_apart(rows)
    assert len(distinct_rows) == 3
    assert bytes(distinct_rows[number].ravel()) == b"abacab"
