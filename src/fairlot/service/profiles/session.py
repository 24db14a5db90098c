"""One transaction over many works: what they touch is read once, and written once at the end."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from fairlot.events import Exposure, Identity
from fairlot.profiles import PRODUCT_EVENTS, Happening, Identifier, ProductEvents, Profile
from fairlot.profiles.consents import rejects
from fairlot.profiles.products import with_sighting
from fairlot.profiles.sessions import seen
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.privacy.remembered import said_before
from fairlot.service.profiles.account_changes import AccountChanges
from fairlot.service.profiles.errors import ChangeRefused
from fairlot.service.profiles.histories import Histories, Wanted
from fairlot.service.profiles.identities import Resolver
from fairlot.service.profiles.limits import attributes_problem
from fairlot.service.profiles.product_counts import ProductCounts
from fairlot.service.profiles.recollection import Recalled, Recollection
from fairlot.service.profiles.rejected import Rejected
from fairlot.service.profiles.work import Applied, Reactor, Work
from fairlot.service.profiles.working_set import WorkingSet
from fairlot.store.profiles.rejections import RejectionRow
from fairlot.store.profiles.rows import StoredProfile


class Recorded(NamedTuple):
    """What has to be in the event log before the profiles are written."""

    exposures: Sequence[Exposure]
    identities: Sequence[Identity]


class Session:
    """`now_ms` is the server's clock, by which records say when they were received."""

    def __init__(
        self,
        connection: Connection,
        reactor: Reactor,
        now_ms: int,
        rejections: Rejections,
        recollection: Recollection,
        product_events: ProductEvents = PRODUCT_EVENTS,
    ) -> None:
        self._connection = connection
        self._reactor = reactor
        self._now_ms = now_ms
        self._product_events = product_events
        self._product_counts = ProductCounts()
        self._known = WorkingSet(connection, recollection)
        self._histories = Histories(connection)
        self._accounts = AccountChanges(connection)
        self._resolver = Resolver(self._known, self._histories, now_ms)
        self._rejected = Rejected(self._known, rejections, now_ms)
        self._exposures: list[Exposure] = []
        self._recalled: Sequence[Recalled] = ()

    @property
    def recorded(self) -> Recorded:
        return Recorded(self._exposures, self._resolver.identities)

    @property
    def gone(self) -> Iterable[str]:
        """The ids of the profiles that were merged into others."""
        return self._known.gone

    @property
    def rejected(self) -> Sequence[RejectionRow]:
        """Who has rejected, or no longer does."""
        return self._rejected.written

    @property
    def accounts(self) -> AccountChanges:
        return self._accounts

    def read(self, works: Sequence[Work]) -> None:
        """All that the works will look up, in a few statements."""
        names: defaultdict[str, dict[Identifier, None]] = defaultdict(dict)
        events: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for work in works:
            names[work.project_id].update(dict.fromkeys(work.claim.identifiers))
            events[work.project_id].update(dict.fromkeys(each.event_id for each in work.happenings))
        self._recalled = self._known.read(names)
        for recalled in self._recalled:
            self._histories.recall(recalled)
        self._histories.read_ids(events)
        self._histories.read(each for work in works for each in self._history_wanted(work))

    def apply(self, work: Work) -> Applied:
        """Raises ChangeRefused, and whatever a step or a rule raises: nothing of this transaction
        may then be written."""
        if work.once and self._has_happened(work):
            return Applied(None)
        self._accounts.apply(work)
        remembered_ms = self._rejected.remembered_until_ms(work)
        if remembered_ms and not work.consents and not self._resolver.finds(work):
            return Applied(None, rejects=True)
        said_so_far = len(self._resolver.identities)
        resolved = self._resolver.resolve(work)
        if resolved is None:
            return Applied(None)
        found, is_new, joined = resolved
        before = None if is_new else found
        profile = said_before(found, remembered_ms)
        for step in work.consents:
            profile = step(profile)
        if rejects(profile, self._now_ms):
            del self._resolver.identities[said_so_far:]
            self._known.put(profile)
            return Applied(profile, before, is_new, merged=joined, rejects=True)
        profile, new_events = self._happen(work, self._changed(profile, work))
        return Applied(profile, before, is_new, new_events, joined)

    def write(self, change_no: int) -> list[StoredProfile]:
        """The profiles that were written."""
        self._rejected.write(self._connection, change_no)
        self._histories.write()
        self._product_counts.write(self._connection)
        self._accounts.write(change_no)
        return self._known.write(change_no, self._now_ms)

    def known(self, written: Iterable[StoredProfile]) -> Iterable[Recalled]:
        """What is known of the profiles once this is committed, but of those that were read only:
        of what was known before, and `written`."""
        sizes = {stored.profile.id: stored.size for stored in written}
        for recalled in self._recalled:
            sizes.setdefault(recalled.profile.id, recalled.size)
        for profile_id, size in sizes.items():
            profile = self._known.get(profile_id)
            if profile is not None:
                yield self._histories.recalled(profile, size)

    def _history_wanted(self, work: Work) -> Iterable[Wanted]:
        for identifier in work.claim.identifiers:
            profile = self._known.owner(work.project_id, identifier)
            if profile is None or self._histories.knows_all_of(profile.id):
                continue
            for happening in work.happenings:
                wanted = self._reactor.history_wanted(work.project_id, happening)
                for name, within_ms in wanted.items():
                    yield Wanted(profile.id, name, happening.at_ms - within_ms)

    def _has_happened(self, work: Work) -> bool:
        return all(
            self._histories.is_known(work.project_id, each.event_id) for each in work.happenings
        )

    def _changed(self, found: Profile, work: Work) -> Profile:
        profile = found
        for step in work.steps:
            profile = step(profile)
        if profile.attributes is not found.attributes:
            problem = attributes_problem(profile.attributes)
            if problem is not None:
                raise ChangeRefused("attributes", problem)
        if work.is_seen:
            profile = seen(profile, work.at_ms, work.session_id)
        if work.account_id is not None and work.account_id != profile.account_id:
            profile = msgspec.structs.replace(profile, account_id=work.account_id)
        self._known.put(profile)
        return profile

    def _happen(self, work: Work, profile: Profile) -> tuple[Profile, frozenset[str]]:
        """With the ids of the events that are new; each is shown to the reactor."""
        new: list[str] = []
        for happening in work.happenings:
            if not self._histories.is_new(work.project_id, happening.event_id):
                continue
            new.append(happening.event_id)
            wanted = self._reactor.history_wanted(work.project_id, happening)
            history = self._histories.of(profile.id, wanted, happening.at_ms) if wanted else {}
            account = partial(self._accounts.attributes, work.project_id, profile.account_id)
            reaction = self._reactor.react(profile, happening, history, account)
            profile = self._with_product(work.project_id, reaction.profile, happening)
            self._exposures.extend(reaction.exposures)
            self._histories.add(work.project_id, profile.id, happening)
        if new:
            self._known.touch(profile)  # its history is another, also when it looks the same
        return profile, frozenset(new)

    def _with_product(self, project_id: str, profile: Profile, happening: Happening) -> Profile:
        sighting = self._product_events.sighting(happening)
        if sighting is None:
            return profile
        self._product_counts.add(project_id, sighting)
        return with_sighting(profile, sighting)
