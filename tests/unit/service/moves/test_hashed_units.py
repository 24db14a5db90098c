import random
from itertools import product

import numpy as np
import pytest
from mmh3 import mmh3_32_uintdigest

from conformance.loader import Json, disagreements, file_params
from fairlot.engine import bucket_of
from fairlot.engine.hashing import utf8
from fairlot.service.moves.hashed_units import UNITS_AT_ONCE, HashedUnits, blocks_of

HASHES = [each for each in file_params("hashing") if each.values[0]["kind"] in ("hash", "murmur3")]


def hashed(*units: bytes) -> HashedUnits:
    """Of one length."""
    return HashedUnits(np.frombuffer(b"".join(units), np.uint8).reshape(len(units), -1))


def check_hash(case: Json) -> None:
    block = hashed(utf8(case["unitId"]))
    assert block.hashes(f"{case['salt']}:{case['purpose']}:".encode()).tolist() == [case["hash"]]
    assert block.buckets(case["salt"], case["purpose"]).tolist() == [case["bucket"]]


def check_murmur3(case: Json) -> None:
    assert hashed(case["text"].encode()).hashes(b"").tolist() == [case["hash"]]


CHECKS = {"hash": check_hash, "murmur3": check_murmur3}


@pytest.mark.parametrize("entry", HASHES)
def test_hashes__vectors__the_published_hashes(entry: Json) -> None:
    assert disagreements(entry, CHECKS) == {}


def test_hashes__every_way_to_lie_across_words__those_of_mmh3() -> None:
    draw = random.Random(3)  # noqa: S311 - the same bytes each time
    for lead, length in product(range(9), range(12)):
        prefix, units = draw.randbytes(lead), [draw.randbytes(length) for _ in range(5)]
        rows = np.frombuffer(b"".join(units), np.uint8).reshape(len(units), length)
        block = HashedUnits(rows)
        expected = [mmh3_32_uintdigest(prefix + unit) for unit in units]
        assert block.hashes(prefix).tolist() == expected


def test_buckets__two_draws_of_the_same_units__those_of_the_engine_each_time() -> None:
    ids = [f"visitor-{number:05d}" for number in range(2_000)]
    block = hashed(*(each.encode() for each in ids))
    for salt, purpose in (("hero", "variant"), ("hero", "sample"), ("hero", "variant")):
        expected = [bucket_of(salt, purpose, each) for each in ids]
        assert block.buckets(salt, purpose).tolist() == expected


def test_only__some_units__their_buckets() -> None:
    chosen = hashed(b"a", b"b", b"c").only(np.array([2, 0])).buckets("hero", "layer")
    assert chosen.tolist() == [bucket_of("hero", "layer", "c"), bucket_of("hero", "layer", "a")]


def test_blocks__groups_of_units__as_many_as_are_worked_on_at_once_and_how_many_before() -> None:
    groups = [np.zeros((UNITS_AT_ONCE + 1, 6), np.uint8), np.zeros((2, 7), np.uint8)]
    blocks = [(start, block.rows.shape) for start, block in blocks_of(groups)]
    after = UNITS_AT_ONCE + 1
    assert blocks == [(0, (UNITS_AT_ONCE, 6)), (UNITS_AT_ONCE, (1, 6)), (after, (2, 7))]
