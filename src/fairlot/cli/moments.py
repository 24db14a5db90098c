"""Moments as commands ask for them and print them. Texts of instants in UTC order as they do."""

import time
from typing import Final

from fairlot.manifest.instants import write_instant

_DAY_MS: Final = 86_400_000


def instant_now() -> str:
    return write_instant(_now_ms())


def instant_in_days(days: int) -> str:
    return write_instant(_now_ms() + days * _DAY_MS)


def to_the_minute(instant: str | None) -> str:
    """For a column; `-` is never."""
    return (instant or "-")[:16]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
