"""One transaction over many works: what they touch is read once, and written once at the end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from fairlot.events import Exposure, Identity, derived_event_id, new_ulid
from fairlot.profiles import (
    PRODUCT_EVENTS,
    Account,
    Activation,
    Claim,
    Happening,
    History,
    Identifier,
    KeptAssignment,
    Merged,
    Occurrence,
    ProductEvents,
    Profile,
    merged,
    subject_identifier,
)
from fairlot.profiles.consents import rejects
from fairlot.profiles.products import with_sighting
from fairlot.profiles.sessions import seen
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.privacy.remembered import said_before, written_rejections
from fairlot.service.profiles.product_counts import ProductCounts
from fairlot.service.profiles.work import Applied, Reactor, Work
from fairlot.store.profiles import rows
from fairlot.store.profiles.rejections import RejectionRow, write_rejections

Name = tuple[str, Identifier]


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
        product_events: ProductEvents = PRODUCT_EVENTS,
    ) -> None:
        self._connection = connection
        self._reactor = reactor
        self._now_ms = now_ms
        self._rejections = rejections
        self._loaded: dict[str, Profile] = {}
        self._let_go: set[Name] = set()
        self._rejected: list[RejectionRow] = []
        self._owners: dict[Name, str | None] = {}
        self._profiles: dict[str, Profile | None] = {}
        self._stored: set[str] = set()
        self._dirty: dict[str, None] = {}
        self._gone: list[str] = []
        self._names: dict[Name, str] = {}
        self._known_events: set[tuple[str, str]] = set()
        self._events: defaultdict[str, list[tuple[str, Happening]]] = defaultdict(list)
        self._accounts: dict[tuple[str, bytes], Account] = {}
        self._exposures: list[Exposure] = []
        self._identities: list[Identity] = []
        self._product_events = product_events
        self._product_counts = ProductCounts()

    @property
    def recorded(self) -> Recorded:
        return Recorded(self._exposures, self._identities)

    def read(self, works: Iterable[Work]) -> None:
        """All that the works will look up, in a few statements."""
        names: defaultdict[str, set[Identifier]] = defaultdict(set)
        events: defaultdict[str, set[str]] = defaultdict(set)
        for work in works:
            names[work.project_id].update(work.claim.identifiers)
            events[work.project_id].update(each.event_id for each in work.happenings)
        for project_id, identifiers in names.items():
            found = rows.profile_ids_of(self._connection, project_id, identifiers)
            for identifier in identifiers:
                self._owners[project_id, identifier] = found.get(identifier)
        ids = {owner for owner in self._owners.values() if owner is not None}
        self._load(ids)
        for project_id, event_ids in events.items():
            known = rows.known_events(self._connection, project_id, event_ids)
            self._known_events.update((project_id, each) for each in known)

    def apply(self, work: Work) -> Applied:
        if work.once and self._has_happened(work):
            return Applied(None)
        self._update_account(work)
        remembered_ms = self._remembered_until_ms(work)
        if remembered_ms and not work.consents and not self._is_known(work):
            return Applied(None, rejects=True)
        identities = len(self._identities)
        found = self._resolve(work)
        if found is None:
            return Applied(None)
        profile, is_new, joined = found
        before = None if is_new else profile
        profile = said_before(profile, remembered_ms)
        for step in work.consents:
            profile = step(profile)
        if rejects(profile, self._now_ms):
            del self._identities[identities:]
            self._put(profile)
            return Applied(profile, before, is_new, merged=joined, rejects=True)
        for step in work.steps:
            profile = step(profile)
        if work.is_seen:
            profile = seen(profile, work.at_ms, work.session_id)
        if work.account_id is not None:
            profile = msgspec.structs.replace(profile, account_id=work.account_id)
        new_events = self._happen(work, profile)
        profile = self._profile(profile.id) if new_events else profile
        self._put(profile)
        return Applied(profile, before, is_new, new_events, joined)

    def write(self, change_no: int) -> list[Profile]:
        """The profiles that were written."""
        self._rejected = self._changed_rejections(change_no)
        write_rejections(self._connection, self._rejected)
        changed = [self._profile(each) for each in self._dirty if each not in self._gone]
        added = [each for each in changed if each.id not in self._stored]
        replaced = [each for each in changed if each.id in self._stored]
        rows.add_profiles(self._connection, added, change_no)
        rows.replace_profiles(self._connection, replaced, change_no)
        rows.empty_profiles(
            self._connection, [each for each in self._gone if each in self._stored], change_no
        )
        by_project: defaultdict[str, dict[Identifier, str]] = defaultdict(dict)
        for (project_id, identifier), owner in self._names.items():
            by_project[project_id][identifier] = owner
        for project_id, names in by_project.items():
            rows.name_profiles(self._connection, project_id, names)
        self._write_events()
        self._product_counts.write(self._connection)
        for (_, digest), account in self._accounts.items():
            rows.write_account(self._connection, account, digest, change_no)
        return changed

    @property
    def gone(self) -> Sequence[str]:
        """The ids of the profiles that were merged into others."""
        return self._gone

    @property
    def rejected(self) -> Sequence[RejectionRow]:
        """Who has rejected, or no longer does."""
        return self._rejected

    @property
    def changed_accounts(self) -> Mapping[tuple[str, bytes], Account]:
        """By project id and digest."""
        return self._accounts

    def _load(self, ids: Iterable[str]) -> None:
        wanted = [each for each in ids if each not in self._profiles]
        found = rows.read_profiles(self._connection, wanted) if wanted else {}
        for each in wanted:
            self._profiles[each] = found.get(each)
        self._stored.update(found)
        self._loaded.update(found)

    def _profile(self, profile_id: str) -> Profile:
        profile = self._profiles[profile_id]
        if profile is None:
            raise LookupError(profile_id)
        return profile

    def _put(self, profile: Profile) -> None:
        if self._profiles.get(profile.id) is not profile:
            self._profiles[profile.id] = profile
            self._dirty[profile.id] = None

    def _is_known(self, work: Work) -> bool:
        names = (*work.claim.find, *work.claim.names)
        return any(self._owner(work.project_id, each) is not None for each in names)

    def _remembered_until_ms(self, work: Work) -> int:
        """Until when somebody rejects who is called so and was deleted; 0 without."""
        if not self._rejections:
            return 0
        until_ms = max(
            (
                self._rejections.until_ms(work.project_id, each)
                for each in work.claim.identifiers
                if self._owner(work.project_id, each) is None
            ),
            default=0,
        )
        return until_ms if self._now_ms < until_ms else 0

    def _changed_rejections(self, change_no: int) -> list[RejectionRow]:
        """What is said now of the names of the profiles that are written, where that is new."""
        found = [
            RejectionRow(project_id, identifier.digest(), 0, change_no)
            for project_id, identifier in self._let_go
            if not (owner := self._owner(project_id, identifier)) or not owner.consents
        ]
        for profile_id in self._dirty:
            profile, before = self._profiles.get(profile_id), self._loaded.get(profile_id)
            if profile is not None and profile.consents:
                found += written_rejections(profile, before, self._rejections, change_no)
        return found

    def _owner(self, project_id: str, identifier: Identifier) -> Profile | None:
        owner = self._owners.get((project_id, identifier))
        return None if owner is None else self._profiles.get(owner)

    def _resolve(self, work: Work) -> tuple[Profile, bool, tuple[Merged, ...]] | None:
        claim, project_id = work.claim, work.project_id
        owners = [
            owner
            for each in (*claim.find, *claim.names)
            if (owner := self._owner(project_id, each)) is not None
        ]
        profile = owners[0] if owners else None
        if profile is not None and _is_somebody_else(profile, claim):
            user = subject_identifier(claim.user_id or "")
            profile = self._owner(project_id, user)
            owners = []
            claim = _of_the_user(claim)
        is_new = profile is None
        if profile is None:
            if not work.makes or not claim.subject_ids:
                return None
            profile = self._make(work, claim)
        joined = []
        for other in owners[1:]:
            other_now = self._profiles.get(other.id)
            if other_now is None or other_now.id == profile.id:
                continue
            if _are_two_users(profile, other_now) and not claim.merge:
                continue
            result = self._merge(profile, other_now, work)
            profile = result.profile
            joined.append(result)
        profile = self._named(profile, claim, work)
        self._put(profile)
        return profile, is_new, tuple(joined)

    def _make(self, work: Work, claim: Claim) -> Profile:
        new_id = f"pro_{new_ulid(self._now_ms)}"
        free = (
            each
            for each in claim.subject_ids
            if self._owner(work.project_id, subject_identifier(each)) is None
        )
        return Profile(
            id=new_id,
            project_id=work.project_id,
            subject_id=next(free, new_id),
            created_at_ms=work.at_ms,
            last_seen_at_ms=work.at_ms,
        )

    def _merge(self, one: Profile, other: Profile, work: Work) -> Merged:
        result = merged(one, other)
        kept, gone = result.profile, result.gone
        self._write_events()
        rows.move_events(self._connection, gone.id, kept.id)
        self._profiles[gone.id] = None
        self._dirty.pop(gone.id, None)
        self._gone.append(gone.id)
        self._put(kept)
        for identifier in gone.identifiers:
            self._name(work.project_id, identifier, kept.id)
        switched = [
            {
                "experiment_id": each,
                "experiment_key": _arm_of(gone, each).experiment_key,
                "from": _arm_of(gone, each).variant_key,
                "to": _arm_of(kept, each).variant_key,
            }
            for each in result.switched
        ]
        self._identify(work, gone.subject_id, kept.subject_id, {"switched": switched})
        return result

    def _named(self, profile: Profile, claim: Claim, work: Work) -> Profile:
        """With the identifiers of the claim, and its user id."""
        mine = (
            *claim.find,
            *claim.names,
            *(each for each in claim.also if self._owner(work.project_id, each) is None),
            subject_identifier(profile.subject_id),
        )
        new = [each for each in dict.fromkeys(mine) if each not in profile.identifiers]
        for identifier in new:
            self._take(work.project_id, identifier, profile)
        user_id = claim.user_id
        if user_id is not None and user_id != profile.user_id:
            self._identify(work, profile.subject_id, user_id, None)
            profile = msgspec.structs.replace(
                profile,
                user_id=user_id,
                identified_at_ms=profile.identified_at_ms or work.at_ms,
            )
        if new:
            profile = msgspec.structs.replace(profile, identifiers=(*profile.identifiers, *new))
        return profile

    def _take(self, project_id: str, identifier: Identifier, profile: Profile) -> None:
        """It is this profile's from now on, and no longer whose it was."""
        before = self._owner(project_id, identifier)
        if before is not None and before.id != profile.id:
            if before.consents:
                self._let_go.add((project_id, identifier))
            left = tuple(each for each in before.identifiers if each != identifier)
            self._put(msgspec.structs.replace(before, identifiers=left))
        self._name(project_id, identifier, profile.id)

    def _name(self, project_id: str, identifier: Identifier, profile_id: str) -> None:
        self._owners[project_id, identifier] = profile_id
        self._names[project_id, identifier] = profile_id

    def _identify(
        self, work: Work, subject_id: str, user_id: str, properties: Mapping[str, object] | None
    ) -> None:
        if subject_id == user_id:
            return
        self._identities.append(
            Identity(
                derived_event_id(work.project_id, f"identify:{subject_id}:{user_id}"),
                work.project_id,
                subject_id,
                user_id,
                work.at_ms,
                self._now_ms,
                source="profiles",
                properties=properties,
            )
        )

    def _account(self, project_id: str, digest: bytes) -> Account | None:
        known = self._accounts.get((project_id, digest))
        return known or rows.read_account(self._connection, project_id, digest)

    def _account_of(self, profile: Profile) -> Mapping[str, Any]:
        if profile.account_id is None:
            return {}
        digest = subject_identifier(profile.account_id).digest()
        known = self._account(profile.project_id, digest)
        return {} if known is None else known.attributes

    def _update_account(self, work: Work) -> None:
        if work.account_id is None:
            return
        digest = subject_identifier(work.account_id).digest()
        known = self._account(work.project_id, digest)
        if known is not None and not work.account_attributes:
            return
        account = known or Account(
            project_id=work.project_id, account_id=work.account_id, created_at_ms=work.at_ms
        )
        self._accounts[work.project_id, digest] = msgspec.structs.replace(
            account,
            attributes={**account.attributes, **work.account_attributes},
            updated_at_ms=work.at_ms,
        )

    def _has_happened(self, work: Work) -> bool:
        return all(
            (work.project_id, each.event_id) in self._known_events for each in work.happenings
        )

    def _happen(self, work: Work, profile: Profile) -> frozenset[str]:
        """The ids of the events that are new; each is shown to the reactor."""
        new: list[str] = []
        for happening in work.happenings:
            key = (work.project_id, happening.event_id)
            if key in self._known_events:
                continue
            self._known_events.add(key)
            new.append(happening.event_id)
            reaction = self._reactor.react(
                profile,
                happening,
                self._history_for(work.project_id, profile, happening),
                partial(self._account_of, profile),
            )
            profile = self._with_product(work.project_id, reaction.profile, happening)
            self._exposures.extend(reaction.exposures)
            self._events[work.project_id].append((profile.id, happening))
        self._put(profile)
        return frozenset(new)

    def _with_product(self, project_id: str, profile: Profile, happening: Happening) -> Profile:
        sighting = self._product_events.sighting(happening)
        if sighting is None:
            return profile
        self._product_counts.add(project_id, sighting)
        return with_sighting(profile, sighting)

    def _history_for(self, project_id: str, profile: Profile, happening: Happening) -> History:
        wanted = self._reactor.history_wanted(project_id, happening)
        if not wanted:
            return {}
        self._write_events()
        history: dict[str, Sequence[Occurrence]] = {}
        for name, within_ms in wanted.items():
            since_ms = happening.at_ms - within_ms
            history |= rows.read_history(self._connection, profile.id, (name,), since_ms)
        return history

    def _write_events(self) -> None:
        for project_id, happened in self._events.items():
            rows.add_events(self._connection, project_id, happened)
        self._events.clear()


def _arm_of(profile: Profile, experiment_id: str) -> KeptAssignment | Activation:
    kept = profile.assignments.get(experiment_id)
    return profile.activations[experiment_id] if kept is None else kept


def _is_somebody_else(profile: Profile, claim: Claim) -> bool:
    return (
        claim.user_id is not None
        and profile.user_id is not None
        and profile.user_id != claim.user_id
        and not claim.merge
    )


def _of_the_user(claim: Claim) -> Claim:
    """Another user on a device that was somebody's: who is new is drawn by the user id."""
    user_id = claim.user_id or ""
    return Claim(
        find=(subject_identifier(user_id), *claim.find),
        subject_ids=(user_id,),
        names=claim.names,
        also=claim.also,
        user_id=user_id,
    )


def _are_two_users(one: Profile, other: Profile) -> bool:
    return one.user_id is not None and other.user_id is not None and one.user_id != other.user_id
