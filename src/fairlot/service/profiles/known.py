"""The profiles over a database: memory in front, one writer behind."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from fairlot.profiles import PRODUCT_EVENTS, History, Identifier, ProductEvents, Profile
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.profiles.account_cache import AccountCache
from fairlot.service.profiles.account_changes import AccountName, account_digest
from fairlot.service.profiles.cache import PROFILES_KEPT, HistoryAsked, ProfileCache
from fairlot.service.profiles.errors import ProfilesUnavailable
from fairlot.service.profiles.limits import check_work
from fairlot.service.profiles.pruning import GONE_KEPT_MS
from fairlot.service.profiles.work import Applied, Reactor, Work, WriterFigures
from fairlot.service.profiles.writer import QUEUE_BOUND, ProfileWriter
from fairlot.store.errors import StoreFailed, StoreUnusable
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.account_rows import read_account
from fairlot.store.profiles.changes import (
    accounts_changed_since,
    newest_change,
    profiles_changed_since,
)
from fairlot.store.profiles.event_rows import read_histories
from fairlot.store.profiles.rejections import rejections_since
from fairlot.store.profiles.rows import find_profile, subject_ids_of
from fairlot.warehouse.ports import Log

PROFILES_SEEN_WITHIN_S: Final = 0.25
"""How long one process may go on with what another has changed."""
T = TypeVar("T")


class KnownProfiles:
    """`Profiles` over a database. Call `follow` every PROFILES_SEEN_WITHIN_S, and `close` at the
    end. Of `store` those make use who change many profiles at once, as an import does. Raises
    StoreFailed."""

    def __init__(
        self,
        store: ProfileStore,
        log: Log,
        reactor: Reactor,
        clock_ms: Callable[[], int],
        *,
        kept: int = PROFILES_KEPT,
        bound: int = QUEUE_BOUND,
        product_events: ProductEvents = PRODUCT_EVENTS,
        rejections: Rejections | None = None,
    ) -> None:
        self.store = store
        self.rejections = Rejections(clock_ms) if rejections is None else rejections
        with store.reading() as connection:
            followed = newest_change(connection)
        self._clock_ms = clock_ms
        self._followed_at_ms: int | None = None
        self._profiles = ProfileCache(followed, kept)
        self._accounts = AccountCache(followed)
        self._writer = ProfileWriter(
            store,
            self._profiles,
            self._accounts,
            log,
            reactor,
            clock_ms,
            self.rejections,
            bound=bound,
            product_events=product_events,
        )

    @property
    def usable(self) -> bool:
        try:
            self.store.check_in_place()
        except StoreUnusable:
            return False
        return self._writer.usable

    @property
    def queued(self) -> int:
        return self._writer.queued

    @property
    def figures(self) -> WriterFigures:
        return self._writer.figures

    def in_memory(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        return self._in_memory(project_id, identifiers[0]) if identifiers else None

    def _in_memory(self, project_id: str, identifier: Identifier) -> Profile | None:
        """Whom it means, as the database says it too: by the second name only if memory knows that
        the first one is somebody else's."""
        for each in identifier.sought:
            found = self._profiles.find(project_id, each)
            if found is None or found.answers_to(identifier):
                return found
        return None

    async def find(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        found = self.in_memory(project_id, identifiers)
        if found is not None or not identifiers:
            return found
        return await asyncio.to_thread(self._read_profile, project_id, identifiers)

    async def subject_ids(
        self, project_id: str, identifiers: Collection[Identifier]
    ) -> Mapping[Identifier, str]:
        found: dict[Identifier, str] = {}
        unknown: list[Identifier] = []
        for each in identifiers:
            profile = self._in_memory(project_id, each)
            if profile is None:
                unknown.append(each)
            else:
                found[each] = profile.subject_id
        if unknown:
            found |= await asyncio.to_thread(self._read_subject_ids, project_id, unknown)
        return found

    async def history(self, profile: Profile, wanted: Mapping[str, int], now_ms: int) -> History:
        asked = tuple(sorted(wanted.items()))
        known = self._profiles.history(profile, asked)
        if known is not None:
            return known
        return await asyncio.to_thread(self._read_history, profile, asked, now_ms)

    async def account(self, project_id: str, account_id: str) -> Mapping[str, Any]:
        name = (project_id, account_digest(account_id))
        known = self._accounts.find(name)
        if known is not None:
            return known
        return await asyncio.to_thread(self._read_account, name)

    async def apply(self, work: Work) -> Applied:
        (applied,) = await self.apply_all((work,))
        return applied

    async def apply_all(self, works: Sequence[Work]) -> list[Applied]:
        for work in works:
            check_work(work)
        return await self._writer.apply(works) if works else []

    def post(self, work: Work) -> None:
        check_work(work)
        self._writer.post(work)

    def follow(self) -> None:
        self.store.check_in_place()
        self._writer.recover()
        self._forget_if_stopped()
        with self.store.reading() as connection:
            up_to = newest_change(connection)
            if up_to > self.rejections.followed:
                self.rejections.note(rejections_since(connection, self.rejections.followed))
                self.rejections.followed = up_to
            followed = self._profiles.followed
            if up_to == followed:
                return
            profiles = profiles_changed_since(connection, followed)
            accounts = accounts_changed_since(connection, followed)
        self._accounts.follow(accounts, up_to)
        self._profiles.follow(profiles, up_to)
        self._writer.recollection.forget(profiles, up_to)

    def _forget_if_stopped(self) -> None:
        """After so long not all that is gone can be heard of."""
        now_ms = self._clock_ms()
        before_ms = self._followed_at_ms
        if before_ms is not None and now_ms - before_ms > GONE_KEPT_MS // 2:
            self._profiles.clear()
            self._accounts.clear()
            self._writer.recollection.clear()
        self._followed_at_ms = now_ms

    def close(self, timeout_s: float) -> None:
        self._writer.close(timeout_s)
        self.store.close()

    def _reading(self, read: Callable[[Connection], T]) -> T:
        try:
            with self.store.reading() as connection:
                return read(connection)
        except StoreFailed as error:
            raise ProfilesUnavailable(str(error)) from None

    def _read_profile(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        found = self._reading(lambda connection: find_profile(connection, project_id, identifiers))
        if found.profile is None:
            return None
        self._profiles.put_read(found.profile, found.as_of)
        return found.profile.profile

    def _read_subject_ids(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> Mapping[Identifier, str]:
        return self._reading(lambda connection: subject_ids_of(connection, project_id, identifiers))

    def _read_history(self, profile: Profile, asked: HistoryAsked, now_ms: int) -> History:
        def read(connection: Connection) -> History:
            found: dict[str, Any] = {}
            for name, within_ms in asked:
                since_ms = now_ms - within_ms
                histories = read_histories(connection, (profile.id,), name, since_ms)
                history = histories.get(profile.id)
                found[name] = () if history is None else tuple(history.latest)
            return found

        history = self._reading(read)
        self._profiles.keep_history(profile, asked, history)
        return history

    def _read_account(self, name: AccountName) -> Mapping[str, Any]:
        def read(connection: Connection) -> tuple[Mapping[str, Any], int]:
            as_of = newest_change(connection)
            found = read_account(connection, *name)
            return {} if found is None else found.attributes, as_of

        attributes, as_of = self._reading(read)
        self._accounts.put_read(name, attributes, as_of)
        return attributes
