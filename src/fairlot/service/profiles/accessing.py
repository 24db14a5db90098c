"""What operators ask of profiles: one of them, a page, all that is recorded of one, a merge."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from fairlot.events import Assignment, Conversion, Exposure, Identity
from fairlot.profiles import (
    Account,
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    Profile,
    identifiers_written,
    subject_identifier,
)
from fairlot.service.privacy.units import Units
from fairlot.service.privacy.whom import look_up
from fairlot.service.profiles.account_changes import account_digest
from fairlot.service.profiles.errors import ChangeRefused
from fairlot.service.profiles.work import Applied, Profiles, Work
from fairlot.service.refusals import NotThere
from fairlot.service.tracking import subject_ids_of
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.account_rows import read_account
from fairlot.store.profiles.called import Answering, who_answers
from fairlot.store.profiles.event_rows import events_of
from fairlot.store.profiles.rows import find_profile, profiles_after
from fairlot.warehouse.readers import read_assignments_of, read_events_of
from fairlot.warehouse.whose import Whose

Position = tuple[int, str]


class Called(NamedTuple):
    """Who answers to a name; `others` are the subject ids of those who are called so too."""

    profile: Profile
    others: tuple[str, ...]


class Recorded(NamedTuple):
    """All that there is of one subject, who need not have a profile. `assignments` are those of the
    event log; the profile has those of Choose."""

    called: Called | None
    account: Account | None
    happenings: list[Happening]
    events: list[Exposure | Conversion | Identity]
    assignments: list[Assignment]


def called(store: ProfileStore, project_id: str, name: str) -> Called:
    """By a name of whatever kind, as it is in the database. Raises NotThere."""
    with store.reading() as connection:
        return _called(connection, project_id, name)


def profile_of(store: ProfileStore, project_id: str, subject_id: str) -> Profile:
    """By a subject or user id, as it is in the database. Raises NotThere."""
    with store.reading() as connection:
        found = find_profile(connection, project_id, [subject_identifier(subject_id)]).profile
    if found is None:
        raise NotThere("subject", subject_id)
    return found.profile


def page_of_profiles(
    store: ProfileStore, project_id: str, after: Position | None, limit: int
) -> list[Profile]:
    """In the order of their creation."""
    with store.reading() as connection:
        return profiles_after(connection, project_id, after, limit)


def position_of(profile: Profile) -> Position:
    return profile.created_at_ms, profile.id


def recorded_of(
    store: ProfileStore,
    events_dir: Path | None,
    project_id: str,
    units: Units,
    name: str,
) -> Recorded:
    """By a name of whatever kind; `units` are those of the project. Raises NotThere when
    nothing is recorded. What waits for its commit in a process is not among it."""
    is_without = (
        events_dir is not None
        # As a deletion finds it out: then nobody is meant who is called so in another kind.
        and look_up(store, events_dir, project_id, name, units.by_account).is_subject
    )
    with store.reading() as connection:
        answering, meant = _answering(connection, project_id, name)
        profiles = answering.all
        if is_without and answering.subject is None:
            profiles, meant = (), (subject_identifier(name),)
        found = _first_of(profiles)
        account, happenings = None, []
        if found is not None:
            account = _account_of(connection, project_id, found.profile)
            happenings = events_of(connection, found.profile.id)
    events: list[Exposure | Conversion | Identity] = []
    assignments: list[Assignment] = []
    if events_dir is not None:
        ids = _ids_of_first(project_id, meant, profiles)
        events = list(read_events_of(events_dir, project_id, Whose(ids, units.by_account)))
        assignments = read_assignments_of(events_dir, units.by_subject, ids)
    if found is None and not events and not assignments:
        raise NotThere("subject", name)
    return Recorded(found, account, happenings, events, assignments)


def merge_subjects(
    profiles: Profiles, project_id: str, subject_id: str, other_id: str, now_ms: int
) -> Applied:
    """Both ids are one subject from now on: the older profile stays. Raises NotThere when the first
    is nobody's; of a second that is nobody's the first takes the name. Raises ChangeRefused when
    they cannot be one."""
    profile_of(profiles.store, project_id, subject_id)
    claim = Claim(
        find=(subject_identifier(subject_id),),
        names=(subject_identifier(other_id),),
        merge=True,
    )
    work = Work(project_id, claim, now_ms, is_seen=False, makes=False)
    applied = asyncio.run(profiles.apply(work))
    one = profile_of(profiles.store, project_id, subject_id)
    other = profile_of(profiles.store, project_id, other_id)
    if one.id != other.id:
        raise ChangeRefused("other", "together they would have too many identifiers")
    return applied


def account_of(store: ProfileStore, project_id: str, account_id: str) -> Account:
    """Raises NotThere."""
    with store.reading() as connection:
        found = read_account(connection, project_id, account_digest(account_id))
    if found is None:
        raise NotThere("account", account_id)
    return found


def put_account(
    profiles: Profiles,
    project_id: str,
    account_id: str,
    attributes: Mapping[str, Any],
    now_ms: int,
) -> Account:
    """Its attributes are these and no others. Raises ChangeRefused."""
    work = Work(
        project_id,
        Claim(()),
        now_ms,
        account_id=account_id,
        account_attributes=attributes,
        replaces_account=True,
    )
    asyncio.run(profiles.apply(work))
    return account_of(profiles.store, project_id, account_id)


def _called(connection: Connection, project_id: str, name: str) -> Called:
    answering, _ = _answering(connection, project_id, name)
    found = _first_of(answering.all)
    if found is None:
        raise NotThere("subject", name)
    return found


def _answering(
    connection: Connection, project_id: str, name: str
) -> tuple[Answering, tuple[Identifier, ...]]:
    """Who it is, and by what names."""
    own, *others = identifiers_written(name)
    found = who_answers(connection, project_id, name)
    if found.subject is not None:
        return found, (own,)
    if found.named:
        return found, tuple(others)
    return found, (*others, *found.sources) if found.anonymous else (own, *others)


def _first_of(profiles: Sequence[Profile]) -> Called | None:
    if not profiles:
        return None
    return Called(profiles[0], tuple(each.subject_id for each in profiles[1:]))


def _ids_of_first(
    project_id: str, meant: Sequence[Identifier], profiles: Sequence[Profile]
) -> frozenset[str]:
    """What a deletion goes by, without the ids of the others who are called so."""
    names = [*meant, *(name for each in profiles[:1] for name in each.identifiers)]
    others = {name.value for each in profiles[1:] for name in _subjects_of(each)}
    return frozenset(filter(_is_sound, subject_ids_of(project_id, meant, names) - others))


def _is_sound(text: str) -> bool:
    """Half a surrogate pair is in no record, and cannot be asked for."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _subjects_of(profile: Profile) -> list[Identifier]:
    return [each for each in profile.identifiers if each.kind is IdentifierKind.SUBJECT]


def _account_of(connection: Connection, project_id: str, profile: Profile) -> Account | None:
    if profile.account_id is None:
        return None
    return read_account(connection, project_id, account_digest(profile.account_id))
