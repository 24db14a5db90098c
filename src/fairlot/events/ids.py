"""Ids that sort by time (UUIDv7 and ULID), and ids derived from a sender's own (UUIDv5)."""

import os
import threading
import uuid
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha1
from itertools import count
from typing import NamedTuple

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UUID5_BITS = 0xF000 << 64 | 0xC000 << 48  # version and variant, RFC 9562 section 5.5
_UUID5 = 0x5000 << 64 | 0x8000 << 48
_PROJECTS = uuid.UUID("6f1c5d0e-8a7b-5e7e-9d43-0b6f2f4b8f11")


class EventIds:
    """RFC 9562 section 6.2, method 2: 74 random bits per millisecond, then counted up by one.

    The counted part starts with its top bit clear, so it cannot overflow. A clock that stands still
    or goes back keeps counting in the latest millisecond.
    """

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        # Not a plain lock: a signal handler that records may have interrupted one who holds it.
        self._lock = threading.RLock()
        self._latest = _Millisecond(-1, "", count())

    def next(self, now_ms: int) -> str:
        latest = self._millisecond(now_ms)
        return f"{latest.prefix}{next(latest.counted):012x}"

    def several(self, now_ms: int, count: int) -> list[str]:
        latest = self._millisecond(now_ms)
        prefix, counted = latest.prefix, latest.counted
        return [f"{prefix}{next(counted):012x}" for _ in range(count)]

    def _millisecond(self, now_ms: int) -> "_Millisecond":
        latest = self._latest
        if now_ms > latest.now_ms:
            with self._lock:
                if now_ms > self._latest.now_ms:
                    self._latest = _begin_millisecond(now_ms)
                latest = self._latest
        return latest


class _Millisecond(NamedTuple):
    """`counted` gives every number once, whoever asks."""

    now_ms: int
    prefix: str
    counted: Iterator[int]


def _begin_millisecond(now_ms: int) -> _Millisecond:
    chance = int.from_bytes(os.urandom(10), "big")
    high, low = now_ms >> 16, now_ms & 0xFFFF
    rand_a, rand_b = chance >> 68, 0x8000 | (chance >> 54 & 0x3FFF)
    prefix = f"{high:08x}-{low:04x}-7{rand_a:03x}-{rand_b:04x}-"
    return _Millisecond(now_ms, prefix, count((chance & 0x7FFF_FFFF_FFFF) + 1))


_event_ids = EventIds()
# A child that counted on in its parent's millisecond would repeat its parent's ids.
os.register_at_fork(after_in_child=_event_ids.start_afresh)


def new_event_id(now_ms: int) -> str:
    """A UUIDv7 as text, greater than every earlier one of this process; safe from any thread."""
    return _event_ids.next(now_ms)


def new_event_ids(now_ms: int, count: int) -> list[str]:
    """So many, as `new_event_id` makes them."""
    return _event_ids.several(now_ms, count)


def derived_event_id(project_id: str, text: str) -> str:
    """The UUIDv5 that stands for a sender's own id `text`: the same for every repetition."""
    named = _project_namespace(project_id) + text.encode()
    number = int.from_bytes(sha1(named, usedforsecurity=False).digest()[:16], "big")
    digits = f"{number & ~_UUID5_BITS | _UUID5:032x}"  # half the time that uuid.uuid5 takes
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=1024)
def _project_namespace(project_id: str) -> bytes:
    return uuid.uuid5(_PROJECTS, project_id).bytes


def new_ulid(now_ms: int) -> str:
    """26 characters of Crockford's base 32: 48 bits of time, 80 of chance (ulid/spec)."""
    value = now_ms << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
