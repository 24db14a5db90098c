"""Making the results of the feeds: one process at a time does a project."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from fairlot.engine import Feed, InvalidExperiment
from fairlot.logs import get_logger
from fairlot.service.feeds.errors import RefreshRunning
from fairlot.service.feeds.ranking import DAYS_COUNTED, Part, Rankings
from fairlot.service.feeds.sources import digest_of, sources_of
from fairlot.service.profiles.product_counts import DAY_MS
from fairlot.store import StoreFailed
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.catalogs import (
    CatalogRow,
    FeedResultRow,
    read_catalogs,
    renew_lease,
    result_digests,
    return_lease,
    take_lease,
    write_results,
)
from fairlot.store.profiles.chunks import chunks
from fairlot.store.profiles.products import Horizon, forget_days, forget_deleted, forgettable

LEASE_MS: Final = 60_000
WAITS_S: Final = 10.0
UNKNOWN_DAYS_COUNTED: Final = 30
"""So long an event may come before its product; ids of products are made up by whoever sends."""
_FORGOTTEN_AT_ONCE: Final = 100
"""Of products, each with a year or so of days."""
_LOOKS_EVERY_S: Final = 0.05
_log = get_logger(__name__)


class _LeaseLost(Exception):
    """Another process has begun to refresh, for it took this one so long that it seemed dead."""


class Refresher:
    """`defined` gives the feeds of a project, by key. Whoever dies while it refreshes is
    followed by another after LEASE_MS."""

    def __init__(
        self,
        store: ProfileStore,
        defined: Callable[[str], Mapping[str, Feed]],
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._defined = defined
        self._clock_ms = clock_ms
        self._holder = secrets.token_hex(16)

    def refresh_due(self, every_ms: int) -> int:
        """Every project whose results are so old, or are not of its feeds; how many were done.
        One that another process does is left to it. Raises StoreFailed."""
        with self._store.reading() as connection:
            catalogs = read_catalogs(connection).values()
            made = result_digests(connection)
        due = [
            each
            for each in catalogs
            if self._clock_ms() - each.refreshed_at_ms >= every_ms
            or made.get(each.project_id) != self._wanted(each.project_id)
        ]
        return sum(self._refresh(each, each.results_no) for each in due)

    def refresh(self, project_id: str, waits_s: float = WAITS_S) -> bool:
        """Now. Waits for another process that is at it. False where there never was a product.
        Raises RefreshRunning, and StoreFailed."""
        give_up_at = time.monotonic() + waits_s
        with self._store.reading() as connection:
            catalog = read_catalogs(connection).get(project_id)
        if catalog is None:
            return False
        while not self._refresh(catalog):
            if time.monotonic() > give_up_at:
                raise RefreshRunning
            time.sleep(_LOOKS_EVERY_S)
        return True

    def _wanted(self, project_id: str) -> dict[str, str]:
        """The digests of the feeds as they are defined."""
        feeds = self._defined(project_id)
        return {key: digest_of(sources_of(feed, feeds)) for key, feed in feeds.items()}

    def _refresh(self, catalog: CatalogRow, results_no: int | None = None) -> bool:
        """Whether it was done here."""
        began_at_ms, began_at_s = self._clock_ms(), time.monotonic()
        if not self._take_lease(catalog.project_id, began_at_ms, results_no):
            return False
        try:
            if catalog.refreshed_at_ms // DAY_MS != began_at_ms // DAY_MS:
                self._forget(catalog.project_id, began_at_ms)
            results = list(self._results_of(catalog.project_id, began_at_ms))
            with self._store.writing() as connection:
                return write_results(
                    connection,
                    catalog.project_id,
                    self._holder,
                    results,
                    began_at_ms=began_at_ms,
                    took_ms=round((time.monotonic() - began_at_s) * 1000),
                )
        except _LeaseLost:
            return False
        except BaseException:
            self._return_lease(catalog.project_id)
            raise

    def _forget(self, project_id: str, now_ms: int) -> None:
        """Once a day, and in pieces: nobody can write meanwhile."""
        today = now_ms // DAY_MS
        horizon = Horizon(
            today - DAYS_COUNTED + 1, today - UNKNOWN_DAYS_COUNTED + 1, now_ms - DAY_MS
        )
        with self._store.reading() as connection:
            ids = forgettable(connection, project_id, horizon)
        for some in chunks(ids, _FORGOTTEN_AT_ONCE):
            with self._store.writing() as connection:
                forget_days(connection, project_id, horizon, some)
            self._keep_lease(project_id)
        with self._store.writing() as connection:
            forget_deleted(connection, project_id, horizon)
        self._keep_lease(project_id)

    def _results_of(self, project_id: str, now_ms: int) -> Iterator[FeedResultRow]:
        feeds = self._defined(project_id)
        with self._store.reading() as connection:
            rankings = Rankings(connection, project_id, now_ms)
            for key, feed in feeds.items():
                sources = sources_of(feed, feeds)
                try:
                    parts = rankings.parts_of(sources)
                except InvalidExperiment as error:
                    _log.error("feeds.unusable", feed=key, problem=str(error))
                    parts = ()
                yield FeedResultRow(key, digest_of(sources), msgspec.json.encode(parts))
                self._keep_lease(project_id)

    def _take_lease(self, project_id: str, now_ms: int, results_no: int | None) -> bool:
        with self._store.writing() as connection:
            return take_lease(
                connection,
                project_id,
                self._holder,
                now_ms=now_ms,
                until_ms=now_ms + LEASE_MS,
                results_no=results_no,
            )

    def _keep_lease(self, project_id: str) -> None:
        with self._store.writing() as connection:
            until_ms = self._clock_ms() + LEASE_MS
            if not renew_lease(connection, project_id, self._holder, until_ms):
                raise _LeaseLost

    def _return_lease(self, project_id: str) -> None:
        with suppress(StoreFailed), self._store.writing() as connection:
            return_lease(connection, project_id, self._holder)


def parts_in(body: bytes) -> tuple[Part, ...]:
    """What a result holds."""
    return _parts_of(body)


_parts_of: Final = msgspec.json.Decoder(tuple[Part, ...]).decode
