"""Lists that are too long for one statement."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
MOST_VALUES: Final = 500
"""SQLite takes 32,766 values in a statement, PostgreSQL 65,535; short lists are planned best."""


def chunks(values: Iterable[T], most: int = MOST_VALUES) -> Iterator[list[T]]:
    """All of them, so many at a time."""
    rest = iter(values)
    while chunk := list(islice(rest, most)):
        yield chunk
