"""Record what a source reports: in the event log, in the catalog of products, in the profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.events import Conversion, ReceivedBatch
from fairlot.profiles import (
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    Profile,
    claim_of_user,
    subject_identifier,
    user_identifier,
)
from fairlot.profiles.attributes import updated_attributes
from fairlot.service.feeds import Feeds, Incoming
from fairlot.service.privacy import Rejections
from fairlot.service.privacy.recording import GPC, is_private
from fairlot.service.profiles import CHANGES_PER_COMMIT, Profiles, Work, check_work
from fairlot.store.profiles.chunks import chunks
from fairlot.warehouse.ports import Log

SOURCE: Final = "track"


@dataclass(frozen=True, slots=True)
class Report:
    """Something that a user or an account did; `claim` without identifiers is the account alone.
    `attributes` are what is said of the user beside."""

    event_id: str
    name: str
    at_ms: int
    claim: Claim
    properties: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    account_id: str | None = None
    account_attributes: Mapping[str, Any] = field(default_factory=dict)
    session_id: str | None = None


class _Attributed(NamedTuple):
    """Whom a report is about, as exposures of the same subject say it."""

    subject_id: str
    report: Report


class Reporting:
    """Of who rejects nothing is recorded."""

    def __init__(self, log: Log, profiles: Profiles, feeds: Feeds, privacy: Rejections) -> None:
        self._log = log
        self._profiles = profiles
        self._feeds = feeds
        self._privacy = privacy

    async def record(
        self,
        project_id: str,
        reports: Sequence[Report],
        products: Sequence[Incoming],
        now_ms: int,
        *,
        is_private: bool,
    ) -> int:
        """Return when all of it is on disk, each event id once; how many reports were recorded,
        without those of people who reject. With `is_private` nothing is recorded but that they
        happened.

        Raises LogUnavailable and ProfilesUnavailable: then some of it may have been recorded, and
        all of it may be sent again. Raises ChangeRefused for what no profile can hold.
        """
        for report in reports:
            check_work(_work(project_id, report))  # before anything is logged
        if products:
            await self._feeds.put(project_id, products)
        kept = await self._kept(project_id, reports, is_private=is_private)
        await self._log_all(project_id, kept, now_ms)
        works = (_work(project_id, each.report) for each in kept)
        for some in chunks(works, CHANGES_PER_COMMIT):
            await self._profiles.apply_all(some)
        return len(kept)

    async def _kept(
        self, project_id: str, reports: Sequence[Report], *, is_private: bool
    ) -> list[_Attributed]:
        """What may be recorded, and of that as much as may be. Once something is left out, others
        may be about somebody else: what it had named no longer counts for them."""
        kept = await self._attributed(project_id, reports)
        if not is_private and len(kept) == len(reports):
            return kept
        heard = [each.report for each in kept]
        if not is_private:
            return await self._attributed(project_id, heard)
        named_once = await self._attributed(project_id, [_with_one_name(each) for each in heard])
        return [_Attributed(each.subject_id, _without_details(each.report)) for each in named_once]

    async def _attributed(self, project_id: str, reports: Sequence[Report]) -> list[_Attributed]:
        """Without those of subjects who reject."""
        subjects = await self._subjects(project_id, reports)
        return [
            _Attributed(subject_id, report)
            for subject_id, report in zip(subjects, reports, strict=True)
            if not self._privacy.rejects(project_id, subject_id)
        ]

    async def _log_all(self, project_id: str, kept: Sequence[_Attributed], now_ms: int) -> None:
        """A large batch in several, so that it keeps no answers out of the event log."""
        conversions = (_conversion(project_id, *each, now_ms) for each in kept)
        for some in chunks(conversions, CHANGES_PER_COMMIT):
            for batch in ReceivedBatch.of_server((), some, (), now_ms):
                await self._log.committed(self._log.record_batch(batch))

    async def _subjects(self, project_id: str, reports: Sequence[Report]) -> list[str]:
        """Whom each is about, as the profiles will say; what an earlier one of them names counts
        for the later ones."""
        sought = {identifier for each in reports for identifier in each.claim.identifiers}
        known = dict(await self._profiles.subject_ids(project_id, sought)) if sought else {}
        users: dict[str, str] = {}
        found = []
        for each in reports:
            claim = each.claim
            subject_id = await self._subject(project_id, each, known, users)
            for identifier in (*claim.find, *claim.names):
                if identifier not in known:
                    for also in _named_too(identifier):
                        known.setdefault(also, subject_id)
                if identifier != subject_identifier(known.get(identifier, "")):
                    known[identifier] = subject_id
            if claim.identifiers:
                known.setdefault(subject_identifier(subject_id), subject_id)
            if claim.user_id is not None:
                users[subject_id] = claim.user_id
            found.append(subject_id)
        return found

    async def _subject(
        self,
        project_id: str,
        report: Report,
        known: Mapping[Identifier, str],
        users: Mapping[str, str],
    ) -> str:
        claim = report.claim
        user = None if claim.user_id is None else user_identifier(claim.user_id)
        if user is not None and user in known:
            return known[user]
        device = next((known[each] for each in claim.find if each in known), None)
        if device is None:
            named = (known[each] for each in claim.names if each in known)
            return next(named, None) or _new_subject(report, known)
        if claim.user_id is not None and not claim.merge:
            has = users.get(device)
            if has is None:
                profile = await self._profiles.find(project_id, claim.find)
                has = None if profile is None else profile.user_id
            if has not in (None, claim.user_id):
                return claim.user_id  # another user on the device
        return device


def _new_subject(report: Report, known: Mapping[Identifier, str]) -> str:
    """The first id that is nobody's, as the profile will be drawn by it."""
    ids = report.claim.subject_ids
    if not ids:
        return report.account_id or ""
    return next((each for each in ids if subject_identifier(each) not in known), ids[-1])


def _named_too(identifier: Identifier) -> tuple[Identifier, ...]:
    """Who is called so is the user as well, and a user is called so as well."""
    if identifier.kind is IdentifierKind.USER:
        return identifier.sought[:1]
    is_subject = identifier.kind is IdentifierKind.SUBJECT
    return (user_identifier(identifier.value),) if is_subject else ()


def _with_one_name(report: Report) -> Report:
    claim = report.claim
    if claim.user_id is not None:
        return replace(report, claim=claim_of_user(claim.user_id))
    return replace(report, claim=msgspec.structs.replace(claim, names=(), merge=False))


def _without_details(report: Report) -> Report:
    return replace(
        report,
        properties=GPC,
        attributes={},
        account_id=None,
        account_attributes={},
        session_id=None,
    )


def _conversion(project_id: str, subject_id: str, report: Report, now_ms: int) -> Conversion:
    return Conversion(
        report.event_id,
        project_id,
        subject_id,
        report.name,
        _value_of(report.properties),
        report.at_ms,
        now_ms,
        tenant_id=report.account_id,
        session_id=report.session_id,
        source=SOURCE,
        properties=report.properties or None,
    )


def _value_of(properties: Mapping[str, Any]) -> float | None:
    value = properties.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _work(project_id: str, report: Report) -> Work:
    happening = Happening(
        event_id=report.event_id,
        name=report.name,
        at_ms=report.at_ms,
        properties=report.properties,
    )

    def with_attributes(profile: Profile) -> Profile:
        attributes = updated_attributes(profile.attributes, report.attributes)
        return msgspec.structs.replace(profile, attributes=attributes)

    return Work(
        project_id,
        report.claim,
        report.at_ms,
        steps=(with_attributes,) if report.attributes else (),
        happenings=(happening,),
        session_id=report.session_id,
        account_id=report.account_id,
        account_attributes=report.account_attributes,
        once=bool(report.claim.identifiers),
        is_private=is_private(report.properties),
    )
