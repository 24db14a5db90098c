import random
from itertools import product

import numpy as np
import pytest
from mmh3 import mmh3_32_uintdigest

from conformance.loader import Json, disagreements, file_params
from fairlot.engine import bucket_of
from fairlot.engine.hashing import utf8
from fairlot.service.moves.hashed_units import UNITS_AT_ONCE, HashedUnits, blocks_by_length

HASHES = [each for each in file_params("hashing") if each.values[0]["kind"] in ("hash", "murmur3")]


def one_unit(unit: bytes) -> HashedUnits:
    ((_, block),) = blocks_by_length([unit])
    return block


def check_hash(case: Json) -> None:
    block = one_unit(utf8(case["unitId"]))
    assert block.hashes(f"{case['salt']}:{case['purpose']}:".encode()).tolist() == [case["hash"]]
    assert block.buckets(case["salt"], case["purpose"]).tolist() == [case["bucket"]]


def check_murmur3(case: Json) -> None:
    assert one_unit(case["text"].encode()).hashes(b"").tolist() == [case["hash"]]


CHECKS = {"hash": check_hash, "murmur3": check_murmur3}


@pytest.mark.parametrize("entry", HASHES)
def test_hashes__vectors__the_published_hashes(entry: Json) -> None:
    assert disagreements(entry, CHECKS) == {}


def test_hashes__every_way_to_lie_across_words__those_of_mmh3() -> None:
    draw = random.Random(3)  # noqa: S311 - the same bytes each time
    for lead, length in product(range(9), range(12)):
        prefix, units = draw.randbytes(lead), [draw.randbytes(length) for _ in range(5)]
        ((_, block),) = blocks_by_length(units)
        expected = [mmh3_32_uintdigest(prefix + unit) for unit in units]
        assert block.hashes(prefix).tolist() == expected


def test_buckets__two_draws_of_the_same_units__those_of_the_engine_each_time() -> None:
    ids = [f"visitor-{number:05d}" for number in range(2_000)]
    ((_, block),) = blocks_by_length([each.encode() for each in ids])
    for salt, purpose in (("hero", "variant"), ("hero", "sample"), ("hero", "variant")):
        expected = [bucket_of(salt, purpose, each) for each in ids]
        assert block.buckets(salt, purpose).tolist() == expected


def test_only__some_units__their_buckets() -> None:
    ((_, block),) = blocks_by_length([b"a", b"b", b"c"])
    chosen = block.only(np.array([2, 0])).buckets("hero", "layer")
    assert chosen.tolist() == [bucket_of("hero", "layer", "c"), bucket_of("hero", "layer", "a")]


def test_blocks__lengths_in_order__one_length_a_block_and_the_index_of_its_first() -> None:
    blocks = list(blocks_by_length([b"a", b"b", b"cc", b"dddd"]))
    assert [(start, block.rows.shape) for start, block in blocks] == [
        (0, (2, 1)),
        (2, (1, 2)),
        (3, (1, 4)),
    ]


def test_blocks__more_than_are_worked_on_at_once__several() -> None:
    units = [b"%06d" % number for number in range(UNITS_AT_ONCE + 1)]
    sizes = [(start, len(block)) for start, block in blocks_by_length(units)]
    assert sizes == [(0, UNITS_AT_ONCE), (UNITS_AT_ONCE, 1)]
