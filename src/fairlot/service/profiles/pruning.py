"""Forgetting what no rule can ask about and no process has to hear of any more."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from fairlot.engine.history import MAX_WITHIN_MS
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.pruning import prune_events, prune_gone

EVENTS_KEPT_MS: Final = MAX_WITHIN_MS
"""400 days: as far back as a rule may look."""
GONE_KEPT_MS: Final = 86_400_000
"""A process that was stopped for longer drops all that it has in memory."""
PRUNED_EVERY_S: Final = 3600.0
_AT_ONCE: Final = 500
Prune = Callable[[Connection, int, int], int]


def prune(store: ProfileStore, now_ms: int, stopping: Callable[[], bool] = lambda: False) -> int:
    """How many rows went. Blocks, in transactions of moments. Raises StoreFailed."""
    return _prune_all(store, prune_events, now_ms - EVENTS_KEPT_MS, stopping) + _prune_all(
        store, prune_gone, now_ms - GONE_KEPT_MS, stopping
    )


def _prune_all(
    store: ProfileStore, prune_some: Prune, before_ms: int, stopping: Callable[[], bool]
) -> int:
    total = 0
    while not stopping():
        with store.writing() as connection:
            gone = prune_some(connection, before_ms, _AT_ONCE)
        total += gone
        if gone < _AT_ONCE:
            break
    return total
