"""From ids to buckets, and from buckets to outcomes. All ranges are half-open."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from mmh3 import mmh3_32_uintdigest

from fairlot.engine.hashing import hash32, hash_text, utf8
from fairlot.engine.model import BUCKETS

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Draw(Generic[Outcome]):
    """An independent draw: the outcome of the range of buckets that a unit lands in.

    `ends` are the exclusive end buckets of consecutive ranges that begin at 0, one per outcome,
    the last of them 10000.
    """

    salt: str
    purpose: str
    ends: Sequence[int]
    outcomes: Sequence[Outcome]

    def outcome_for(self) -> Callable[..., Outcome]:
        """The function from unit id to outcome, with all that is constant bound once.

        It compares hashes instead of buckets, which saves a multiplication and a shift of long
        integers. It ignores two further arguments, so that it can be a step by itself.
        """
        prefix, outcomes = hash_text(self.salt, self.purpose, ""), self.outcomes
        first_hashes = tuple(map(first_hash_of, self.ends))

        def outcome(unit_id: str, _subject: object = None, _context: object = None) -> Outcome:
            # mmh3 must never see a str: a lone surrogate in it kills the process.
            try:
                encoded = (prefix + unit_id).encode()
            except UnicodeEncodeError:
                encoded = utf8(prefix + unit_id)
            return outcomes[bisect_right(first_hashes, mmh3_32_uintdigest(encoded))]

        return outcome


def bucket_of(salt: str, purpose: str, unit_id: str) -> int:
    """The bucket, 0 to 9999, of one draw."""
    return (hash32(salt, purpose, unit_id) * BUCKETS) >> 32


def first_hash_of(bucket: int) -> int:
    """The lowest hash that lies in `bucket` or beyond: a hash is below it just when its own
    bucket is below `bucket`."""
    return -(-(bucket << 32) // BUCKETS)


# The first range whose end lies beyond a bucket, given the ends; empty ranges are never chosen.
index_of_bucket = bisect_right


def split_ends(weights: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The end bucket of each of `count` variants, in order.

    Without weights variant i ends at `10000 * (i + 1) // count`, so all buckets are given out.
    """
    if weights is None:
        return tuple(BUCKETS * (index + 1) // count for index in range(count))
    return tuple(accumulate(weights))


def rate_draw(
    salt: str, purpose: str, rate_bp: int, inside: Outcome, outside: Outcome
) -> Draw[Outcome]:
    """A draw that comes out `inside` for the buckets below `rate_bp`."""
    return Draw(salt, purpose, (rate_bp, BUCKETS), (inside, outside))
