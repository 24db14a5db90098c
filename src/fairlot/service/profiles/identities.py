"""Whom a claim is about: who is found, made, merged, and called how from now on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from fairlot.events import Identity, derived_event_id, new_ulid
from fairlot.events.properties import MERGED
from fairlot.profiles import (
    Claim,
    Identifier,
    IdentifierKind,
    Merged,
    Profile,
    anonymous_digest,
    called,
    claim_of_user,
    merged,
    subject_identifier,
    user_identifier,
)
from fairlot.profiles.merging import Switch
from fairlot.profiles.records import MAX_IDENTIFIERS
from fairlot.service.privacy.recording import GPC
from fairlot.service.profiles.histories import Histories
from fairlot.service.profiles.work import Work
from fairlot.service.profiles.working_set import WorkingSet


class Resolved(NamedTuple):
    profile: Profile
    is_new: bool
    merged: tuple[Merged, ...]


class Resolver:
    """`now_ms` is the server's clock, by which records say when they were received."""

    def __init__(self, known: WorkingSet, histories: Histories, now_ms: int) -> None:
        self._known = known
        self._histories = histories
        self._now_ms = now_ms
        self.identities: list[Identity] = []

    def finds(self, work: Work) -> bool:
        """Whether somebody is called so."""
        return bool(self._found(work.project_id, work.claim))

    def resolve(self, work: Work) -> Resolved | None:
        """None when nobody is found and nobody may be made."""
        claim = work.claim
        found = self._found(work.project_id, claim)
        if found and _is_somebody_else(found[0], claim):
            claim = _of_the_user(claim)
            found = list(self._called(work.project_id, claim.find[0]))
        if not found and not (work.makes and claim.subject_ids):
            return None
        is_new = not found
        profile = found[0] if found else self._make(work, claim)
        joined = []
        for other in found[1:]:
            result = self._merge(profile, other, work)
            if result is not None:
                profile = result.profile
                joined.append(result)
        self._record_merges(work, joined, profile)
        profile = self._named(profile, claim, work)
        self._known.put(profile)
        return Resolved(profile, is_new, tuple(joined))

    def _found(self, project_id: str, claim: Claim) -> list[Profile]:
        """Those that it names, the one that it is about first."""
        names = (*claim.find, *claim.names)
        return [owner for each in names for owner in self._called(project_id, each)]

    def _called(self, project_id: str, identifier: Identifier) -> Iterator[Profile]:
        """Whom it means: two who are one user, where each has become known by a name of its own."""
        for each in identifier.sought:
            owner = self._known.owner(project_id, each)
            if owner is not None and owner.answers_to(identifier):
                yield owner

    def _make(self, work: Work, claim: Claim) -> Profile:
        new_id = f"pro_{new_ulid(self._now_ms)}"
        free = (
            each
            for each in claim.subject_ids
            if self._known.owner(work.project_id, subject_identifier(each)) is None
        )
        self._histories.begin(new_id)
        subject_id = next(free, new_id)
        return Profile(
            id=new_id,
            project_id=work.project_id,
            subject_id=subject_id,
            device_ids=(subject_id,) if _is_of_device(subject_id, claim) else (),
            created_at_ms=min(work.at_ms, self._now_ms),
            last_seen_at_ms=work.at_ms,
        )

    def _merge(self, one: Profile, other: Profile, work: Work) -> Merged | None:
        """None when they are one already, or have to stay two."""
        other_now = self._known.get(other.id)
        if other_now is None or other_now.id == one.id:
            return None
        if _are_two_users(one, other_now) and not work.claim.merge:
            return None
        if len(one.identifiers) + len(other_now.identifiers) > MAX_IDENTIFIERS:
            return None
        result = merged(one, other_now)
        self._histories.move(result.gone.id, result.profile.id)
        self._known.replace(result.gone, result.profile)
        return result

    def _record_merges(self, work: Work, joined: Sequence[Merged], profile: Profile) -> None:
        """Whatever those who are gone were called leads to who stays, and that one to its user."""
        into, user_id = profile.subject_id, profile.user_id
        for gone, switches in ((each.gone, each.switched) for each in joined):
            same_user = user_id is not None and gone.user_id == user_id
            for subject_id in gone.subject_ids():
                is_drawn = subject_id == gone.subject_id
                if same_user and subject_id in gone.device_ids and not is_drawn:
                    continue  # a login says so, and that ends when a user is called so
                switched = _told(switches) if subject_id == gone.subject_id else {}
                self._record(work, "merge", subject_id, into, {MERGED: True, **switched})
            if user_id is not None and same_user:
                self._record_login(work, profile, into, user_id)

    def _named(self, profile: Profile, claim: Claim, work: Work) -> Profile:
        """With the identifiers of the claim, and its user id."""
        user_id = claim.user_id
        if user_id is not None and user_id != profile.user_id:
            self._record_login(work, profile, profile.subject_id, user_id)
            profile = msgspec.structs.replace(
                profile,
                user_id=user_id,
                identified_at_ms=profile.identified_at_ms or work.at_ms,
            )
        new = self._free_names(profile, claim, work.project_id)
        devices = profile.device_ids
        device = self._device_of(claim, work.project_id)
        if device is not None and user_id is not None and device.value != profile.subject_id:
            self._record_login(work, profile, device.value, user_id)
            new = list(dict.fromkeys((*new, device)))
            devices = (*devices, device.value)
        devices = tuple(each for each in devices if each not in _said_to_be_users(claim))
        if not new and devices == profile.device_ids:
            return profile
        names = (*profile.identifiers, *new)
        kept = _as_many_as_fit(profile, names)
        for identifier in new:
            self._known.name(work.project_id, identifier, profile)
        for identifier in set(names) - set(kept):
            self._known.release(work.project_id, identifier)
        return called(profile, kept, devices)

    def _device_of(self, claim: Claim, project_id: str) -> Identifier | None:
        """What a device that is new would be drawn by if nobody had logged in on it; None if that
        is somebody's. What it does under this id is its user's."""
        is_new = any(
            each.kind is IdentifierKind.SOURCE and self._known.owner(project_id, each) is None
            for each in claim.find
        )
        if not is_new or not claim.subject_ids:
            return None
        device = subject_identifier(claim.subject_ids[0])
        return device if self._known.owner(project_id, device) is None else None

    def _free_names(self, profile: Profile, claim: Claim, project_id: str) -> list[Identifier]:
        """What it is to be called that it is not called yet, and nobody else has to be."""
        wanted = dict.fromkeys(
            (
                *(self._own(project_id, each) for each in (*claim.find, *claim.names)),
                *(each for each in claim.also if self._known.owner(project_id, each) is None),
                subject_identifier(profile.subject_id),
            )
        )
        free = []
        for each in wanted:
            if each in profile.identifiers:
                continue
            owner = self._known.owner(project_id, each)
            if owner is None or not owner.is_called(each):
                free.append(each)
        return free

    def _own(self, project_id: str, identifier: Identifier) -> Identifier:
        """What it is to be called whom that means. What a device is drawn by stays the device's."""
        first = identifier.sought[0]
        owner = self._known.owner(project_id, first)
        if owner is None or owner.answers_to(identifier) or not owner.is_called(first):
            return first
        return identifier

    def _record_login(self, work: Work, profile: Profile, subject_id: str, user_id: str) -> None:
        """Not where a device has the user's id: all that it did would be the user's."""
        own = self._own(work.project_id, user_identifier(user_id))
        if own.kind is IdentifierKind.SUBJECT:
            self._record(work, "identify", subject_id, user_id, None)

    def _record(
        self,
        work: Work,
        kind: str,
        subject_id: str,
        user_id: str,
        properties: Mapping[str, object] | None,
    ) -> None:
        if subject_id == user_id:
            return
        if work.is_private:
            properties = {**(properties or {}), **GPC}
        self.identities.append(
            Identity(
                derived_event_id(work.project_id, f"{kind}:{subject_id}:{user_id}"),
                work.project_id,
                subject_id,
                user_id,
                work.at_ms,
                self._now_ms,
                source="profiles",
                properties=properties,
            )
        )


def _told(switches: Sequence[Switch]) -> dict[str, object]:
    return {
        "switched": [
            {
                "experiment_id": each.experiment_id,
                "experiment_key": each.experiment_key,
                "from": each.from_variant,
                "to": each.to_variant,
            }
            for each in switches
        ]
    }


def _as_many_as_fit(profile: Profile, names: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    """The latest MAX_IDENTIFIERS, and what it is drawn and identified by."""
    too_many = len(names) - MAX_IDENTIFIERS
    if too_many <= 0:
        return names
    passing = [each for each in names if not profile.is_called(each)][:too_many]
    return tuple(each for each in names if each not in passing)


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
        find=(user_identifier(user_id), *claim.find),
        subject_ids=claim_of_user(user_id).subject_ids,
        names=claim.names,
        also=claim.also,
        user_id=user_id,
    )


def _is_of_device(subject_id: str, claim: Claim) -> bool:
    digest = anonymous_digest(subject_id)
    return any(each.anonymous_digest() == digest for each in claim.find)


def _said_to_be_users(claim: Claim) -> set[str | None]:
    named = {each.value for each in (*claim.find, *claim.names)} if claim.merge else set()
    return {claim.user_id, *named}


def _are_two_users(one: Profile, other: Profile) -> bool:
    return one.user_id is not None and other.user_id is not None and one.user_id != other.user_id
