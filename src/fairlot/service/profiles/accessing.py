"""What operators ask of profiles: one of them, a page, all that is recorded of one, a merge."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from fairlot.events import Conversion, Exposure, Identity
from fairlot.profiles import (
    Account,
    Claim,
    Happening,
    IdentifierKind,
    Profile,
    subject_identifier,
)
from fairlot.service.profiles.account_changes import account_digest
from fairlot.service.profiles.errors import ChangeRefused
from fairlot.service.profiles.work import Applied, Profiles, Work
from fairlot.service.refusals import NotThere
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.account_rows import read_account
from fairlot.store.profiles.called import identifiers_meant, profiles_called
from fairlot.store.profiles.event_rows import events_of
from fairlot.store.profiles.rows import find_profile, profiles_after
from fairlot.warehouse.readers import read_events_of

Position = tuple[int, str]


class Called(NamedTuple):
    """Who answers to a name; `others` are the subject ids of those who are called so too."""

    profile: Profile
    others: tuple[str, ...]


class Recorded(NamedTuple):
    """All that there is of one subject."""

    called: Called
    account: Account | None
    happenings: list[Happening]
    events: list[Exposure | Conversion | Identity]


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
    store: ProfileStore, events_dir: Path | None, project_id: str, name: str
) -> Recorded:
    """By a name of whatever kind. Raises NotThere. What waits for its commit in a process is not
    among it."""
    with store.reading() as connection:
        found = _called(connection, project_id, name)
        profile = found.profile
        account = None
        if profile.account_id is not None:
            account = read_account(connection, project_id, account_digest(profile.account_id))
        happenings = events_of(connection, profile.id)
    subject_ids = {
        each.value for each in profile.identifiers if each.kind is IdentifierKind.SUBJECT
    }
    events = [] if events_dir is None else read_events_of(events_dir, project_id, subject_ids)
    return Recorded(found, account, happenings, list(events))


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
    meant = identifiers_meant(connection, project_id, name)
    found = profiles_called(connection, project_id, meant)
    if not found:
        raise NotThere("subject", name)
    return Called(found[0], tuple(each.subject_id for each in found[1:]))
