"""Whose records are asked for."""

from collections.abc import Collection
from typing import Final, NamedTuple

UNIT: Final = "unit_id"


class Whose(NamedTuple):
    """`ids` of a subject. Units of the experiments `by_account` are accounts, and none of these,
    whatever they are called."""

    ids: Collection[str]
    by_account: Collection[str]
