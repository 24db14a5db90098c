"""Record what a source says that people did: in the event log, then in their profiles."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.events import Actor, Conversion, ReceivedBatch, Trust, derived_event_id
from fairlot.profiles import (
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    Profile,
    subject_identifier,
)
from fairlot.profiles.attributes import completed_attributes, updated_attributes
from fairlot.service.privacy.recording import GPC, is_private
from fairlot.service.profiles import CHANGES_PER_COMMIT, Profiles, Work, check_work
from fairlot.store.profiles.chunks import chunks
from fairlot.warehouse.ports import Log

Step = Callable[[Profile], Profile]


@dataclass(frozen=True, slots=True)
class Named:
    """Who is meant: the visitor `user_id`, without a look-up; without one whoever the first known
    of `looked_up` names. All of `looked_up` and `also` become names of it if they are nobody's."""

    user_id: str | None = None
    looked_up: tuple[Identifier, ...] = ()
    also: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Tracked:
    """One thing that somebody did. `attributes` are what is said of the person beside."""

    event_id: str
    name: str
    at_ms: int
    who: Named
    properties: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    session_id: str | None = None
    actor: Actor = Actor.HUMAN


@dataclass(frozen=True, slots=True)
class Sender:
    """`source` is how they came in. What PUBLIC senders say of a person only adds to what is
    known: they may be anyone. With `is_private` it is recorded that something happened, and
    nothing more."""

    project_id: str
    trust: Trust
    source: str
    is_private: bool = False


class Tracking:
    """`rejects` says whether somebody rejects who is called so: then nothing is recorded."""

    def __init__(
        self, log: Log, profiles: Profiles, rejects: Callable[[str, Identifier], bool]
    ) -> None:
        self._log = log
        self._profiles = profiles
        self._rejects = rejects

    async def record(self, sender: Sender, tracked: Sequence[Tracked], now_ms: int) -> int:
        """Return when all of it is on disk, each event id once; how many were recorded, without
        those of people who reject.

        Raises LogUnavailable with nothing promised, or ProfilesUnavailable when some of the events
        are in the log only. Both may be sent again with the same event ids. Raises ChangeRefused
        for what no profile can hold.
        """
        kept = [
            (meant, each)
            for meant, each in await self._resolved(sender.project_id, tracked)
            if not any(self._rejects(sender.project_id, name) for name in meant.claim.identifiers)
        ]
        if sender.is_private:
            kept = [_without_details(*each) for each in kept]
        works = [_work(sender, meant.claim, each) for meant, each in kept]
        for work in works:
            check_work(work)  # before anything is logged
        conversions = [_conversion(sender, meant.subject_id, each, now_ms) for meant, each in kept]
        for some in chunks(conversions, CHANGES_PER_COMMIT):
            for batch in ReceivedBatch.of_server((), some, (), now_ms):
                await self._log.committed(self._log.record_batch(batch))
        for some_works in chunks(works, CHANGES_PER_COMMIT):
            await self._profiles.apply_all(some_works)
        return len(kept)

    async def _resolved(
        self, project_id: str, tracked: Sequence[Tracked]
    ) -> "list[tuple[_Meant, Tracked]]":
        sought = {
            identifier
            for each in tracked
            if each.who.user_id is None
            for identifier in each.who.looked_up
        }
        known: dict[Identifier, str] = {}
        if sought:
            known |= await self._profiles.subject_ids(project_id, sought)
        found = []
        for each in tracked:
            meant = _meant(project_id, each.who, known)
            for identifier in (*each.who.looked_up, *each.who.also):
                known.setdefault(identifier, meant.subject_id)
            found.append((meant, each))
        return found


def subject_id_made_of(project_id: str, name: Identifier) -> str:
    """What somebody new is drawn by of whom only this name is known: in every process the same."""
    return derived_event_id(project_id, f"visitor:{name.kind.value}:{name.value}")


def subject_ids_of(
    project_id: str, meant: Iterable[Identifier], names: Iterable[Identifier]
) -> frozenset[str]:
    """What events may know somebody by: the subjects among the names, and what is made of the
    others for who is new, whose profile may not be written yet."""
    made = (subject_id_made_of(project_id, each) for each in meant)
    subjects = (each.value for each in names if each.kind is IdentifierKind.SUBJECT)
    return frozenset((*subjects, *made))


class _Meant(NamedTuple):
    """`subject_id` is what exposures of the same visitor carry."""

    subject_id: str
    claim: Claim


def _meant(project_id: str, who: Named, known: Mapping[Identifier, str]) -> _Meant:
    """Of somebody new without a visitor id one is made of the first name: the same one in every
    process, and when the row is sent again. Nobody is merged with anybody."""
    if who.user_id is not None:
        by, subject_id = subject_identifier(who.user_id), who.user_id
    else:
        by = next((each for each in who.looked_up if each in known), who.looked_up[0])
        subject_id = known.get(by) or subject_id_made_of(project_id, by)
    others = tuple(each for each in (*who.looked_up, *who.also) if each != by)
    return _Meant(subject_id, Claim((by,), (subject_id,), also=others))


def _without_details(meant: _Meant, tracked: Tracked) -> tuple[_Meant, Tracked]:
    bare = replace(tracked, properties=GPC, attributes={}, value=None, session_id=None)
    return meant._replace(claim=msgspec.structs.replace(meant.claim, also=())), bare


def _conversion(sender: Sender, subject_id: str, tracked: Tracked, now_ms: int) -> Conversion:
    return Conversion(
        tracked.event_id,
        sender.project_id,
        subject_id,
        tracked.name,
        tracked.value,
        tracked.at_ms,
        now_ms,
        session_id=tracked.session_id,
        actor=tracked.actor,
        trust=sender.trust,
        source=sender.source,
        properties=tracked.properties or None,
    )


def _work(sender: Sender, claim: Claim, tracked: Tracked) -> Work:
    happening = Happening(
        event_id=tracked.event_id,
        name=tracked.name,
        at_ms=tracked.at_ms,
        properties=tracked.properties,
    )
    return Work(
        sender.project_id,
        claim,
        tracked.at_ms,
        steps=_steps(sender, tracked.attributes),
        happenings=(happening,),
        session_id=tracked.session_id,
        once=True,
        is_private=is_private(tracked.properties),
    )


_CHANGES: Final = {Trust.SERVER: updated_attributes, Trust.PUBLIC: completed_attributes}


def _steps(sender: Sender, given: Mapping[str, Any]) -> tuple[Step, ...]:
    if not given:
        return ()
    change = _CHANGES[sender.trust]

    def with_attributes(profile: Profile) -> Profile:
        attributes = change(profile.attributes, given)
        return msgspec.structs.replace(profile, attributes=attributes)

    return (with_attributes,)
