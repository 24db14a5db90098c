"""The profiles over a database: memory in front, one writer behind."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from fairlot.profiles import (
    PRODUCT_EVENTS,
    History,
    Identifier,
    ProductEvents,
    Profile,
    subject_identifier,
)
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.profiles.cache import PROFILES_KEPT, ProfileCache
from fairlot.service.profiles.errors import ProfilesUnavailable
from fairlot.service.profiles.work import Applied, Reactor, Work
from fairlot.service.profiles.writer import ProfileWriter
from fairlot.store.errors import StoreFailed
from fairlot.store.profiles import ProfileStore, rows
from fairlot.store.profiles.rejections import rejections_since
from fairlot.warehouse.ports import Log

PROFILES_SEEN_WITHIN_S: Final = 0.25
"""How long one process may go on with what another has changed."""
T = TypeVar("T")


class KnownProfiles:
    """`Profiles` over a database. Call `follow` every PROFILES_SEEN_WITHIN_S, and `close` at the
    end. Of `store` those make use who change many profiles at once, as an import does."""

    def __init__(
        self,
        store: ProfileStore,
        log: Log,
        reactor: Reactor,
        clock_ms: Callable[[], int],
        *,
        kept: int = PROFILES_KEPT,
        product_events: ProductEvents = PRODUCT_EVENTS,
        rejections: Rejections | None = None,
    ) -> None:
        self.store = store
        self.rejections = Rejections(clock_ms) if rejections is None else rejections
        self._cache = ProfileCache(kept)
        self._writer = ProfileWriter(
            store,
            self._cache,
            log,
            reactor,
            clock_ms,
            self.rejections,
            product_events=product_events,
        )

    @property
    def queued(self) -> int:
        return self._writer.queued

    def in_memory(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        return self._cache.find(project_id, identifiers)

    async def find(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        found = self._cache.find(project_id, identifiers)
        if found is not None:
            return found
        return await asyncio.to_thread(self._read_profile, project_id, identifiers)

    async def subject_ids(
        self, project_id: str, identifiers: Collection[Identifier]
    ) -> Mapping[Identifier, str]:
        found: dict[Identifier, str] = {}
        unknown: list[Identifier] = []
        for each in identifiers:
            profile = self._cache.find(project_id, (each,))
            if profile is None:
                unknown.append(each)
            else:
                found[each] = profile.subject_id
        if unknown:
            found |= await asyncio.to_thread(self._read_subject_ids, project_id, unknown)
        return found

    async def history(self, profile: Profile, wanted: Mapping[str, int], now_ms: int) -> History:
        asked = tuple(sorted(wanted.items()))
        known = self._cache.history(profile, asked)
        if known is not None:
            return known
        return await asyncio.to_thread(self._read_history, profile, asked, now_ms)

    async def account(self, project_id: str, account_id: str) -> Mapping[str, Any]:
        digest = subject_identifier(account_id).digest()
        known = self._cache.account(project_id, digest)
        if known is not None:
            return known
        return await asyncio.to_thread(self._read_account, project_id, digest)

    async def apply(self, work: Work) -> Applied:
        (applied,) = await self._writer.apply((work,))
        return applied

    async def apply_all(self, works: Sequence[Work]) -> list[Applied]:
        return await self._writer.apply(works) if works else []

    def post(self, work: Work) -> None:
        self._writer.post(work)

    def follow(self) -> None:
        with self.store.reading() as connection:
            up_to = rows.newest_change(connection)
            if up_to > self.rejections.followed:
                self.rejections.note(rejections_since(connection, self.rejections.followed))
                self.rejections.followed = up_to
            if up_to == self._cache.followed:
                return
            changed = rows.changed_since(connection, self._cache.followed)
            accounts = rows.accounts_changed_since(connection, self._cache.followed)
        self._cache.follow(changed, accounts, up_to)

    def close(self, timeout_s: float) -> None:
        self._writer.close(timeout_s)
        self.store.close()

    def _reading(self, read: Callable[[Connection], T]) -> tuple[T, int]:
        """What was read, and the newest change that was then there."""
        try:
            with self.store.reading() as connection:
                as_of = rows.newest_change(connection)
                return read(connection), as_of
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None

    def _read_profile(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        found, as_of = self._reading(
            lambda connection: rows.find_profile(connection, project_id, identifiers)
        )
        if found is not None:
            self._cache.put((found,), as_of)
        return found

    def _read_subject_ids(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> dict[Identifier, str]:
        found, _ = self._reading(
            lambda connection: rows.subject_ids_of(connection, project_id, identifiers)
        )
        return found

    def _read_history(
        self, profile: Profile, asked: tuple[tuple[str, int], ...], now_ms: int
    ) -> History:
        def read(connection: Connection) -> History:
            found: dict[str, Any] = {}
            for name, within_ms in asked:
                found |= rows.read_history(connection, profile.id, (name,), now_ms - within_ms)
            return found

        history, _ = self._reading(read)
        self._cache.keep_history(profile, asked, history)
        return history

    def _read_account(self, project_id: str, digest: bytes) -> Mapping[str, Any]:
        found, as_of = self._reading(
            lambda connection: rows.read_account(connection, project_id, digest)
        )
        attributes = {} if found is None else found.attributes
        self._cache.put_account(project_id, digest, attributes, as_of)
        return attributes
