"""Profiles, their identifiers and their events, as rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select

from fairlot.profiles import Account, Happening, Identifier, Occurrence, Profile
from fairlot.store.profiles.tables import (
    accounts,
    profile_events,
    profile_identifiers,
    profile_schema,
    profiles,
)

HISTORY_PER_NAME: Final = 1_000
_VALUES_PER_STATEMENT: Final = 10_000  # SQLite takes 32,766, PostgreSQL 65,535
Value = TypeVar("Value", str, bytes)
_encode: Final = msgspec.json.Encoder(enc_hook=dict).encode
_profile_of: Final = msgspec.json.Decoder(Profile).decode
_account_of: Final = msgspec.json.Decoder(Account).decode
_properties_of: Final = msgspec.json.Decoder(dict).decode


def _parts(values: Iterable[Value]) -> Iterator[list[Value]]:
    """So many at once as a statement may hold."""
    waiting = list(values)
    for start in range(0, len(waiting), _VALUES_PER_STATEMENT):
        yield waiting[start : start + _VALUES_PER_STATEMENT]


def next_change(connection: Connection) -> int:
    """The number of a transaction that writes, higher than all before."""
    connection.execute(profile_schema.update().values(change_no=profile_schema.c.change_no + 1))
    return newest_change(connection)


def newest_change(connection: Connection) -> int:
    number: int = connection.execute(select(profile_schema.c.change_no)).scalar_one()
    return number


def changed_since(connection: Connection, change_no: int) -> dict[str, int]:
    """The ids of profiles that were written after that change, deleted ones too, with the number
    of their latest change."""
    columns = (profiles.c.id, profiles.c.change_no)
    rows = connection.execute(select(*columns).where(profiles.c.change_no > change_no))
    return {row.id: row.change_no for row in rows}


def accounts_changed_since(connection: Connection, change_no: int) -> list[tuple[str, bytes]]:
    """By project id and digest."""
    columns = (accounts.c.project_id, accounts.c.digest)
    rows = connection.execute(select(*columns).where(accounts.c.change_no > change_no))
    return [(row.project_id, row.digest) for row in rows]


def profile_ids_of(
    connection: Connection, project_id: str, identifiers: Iterable[Identifier]
) -> dict[Identifier, str]:
    """Of those that are known."""
    by_digest = {each.digest(): each for each in identifiers}
    found: dict[Identifier, str] = {}
    for part in _parts(by_digest):
        rows = connection.execute(
            select(profile_identifiers.c.digest, profile_identifiers.c.profile_id).where(
                profile_identifiers.c.project_id == project_id,
                profile_identifiers.c.digest.in_(part),
            )
        )
        found |= {by_digest[row.digest]: row.profile_id for row in rows}
    return found


def subject_ids_of(
    connection: Connection, project_id: str, identifiers: Iterable[Identifier]
) -> dict[Identifier, str]:
    """Of those that are known."""
    owners = profile_ids_of(connection, project_id, identifiers)
    profiles_of = read_profiles(connection, owners.values())
    return {
        each: profiles_of[owner].subject_id
        for each, owner in owners.items()
        if owner in profiles_of
    }


def find_profile(
    connection: Connection, project_id: str, identifiers: Sequence[Identifier]
) -> Profile | None:
    """The one that the first known of them names."""
    owners = profile_ids_of(connection, project_id, identifiers)
    owner = next((owners[each] for each in identifiers if each in owners), None)
    return None if owner is None else read_profiles(connection, (owner,)).get(owner)


def read_profiles(connection: Connection, ids: Iterable[str]) -> dict[str, Profile]:
    """By id, of those that are there."""
    found: dict[str, Profile] = {}
    for part in _parts(set(ids)):
        rows = connection.execute(
            select(profiles.c.id, profiles.c.body).where(
                profiles.c.id.in_(part), profiles.c.body.is_not(None)
            )
        )
        found |= {row.id: _profile_of(row.body) for row in rows}
    return found


def add_profiles(connection: Connection, added: Sequence[Profile], change_no: int) -> None:
    if added:
        connection.execute(
            profiles.insert(),
            [
                {
                    "id": each.id,
                    "project_id": each.project_id,
                    "body": _encode(each),
                    "created_at_ms": each.created_at_ms,
                    "change_no": change_no,
                }
                for each in added
            ],
        )


def replace_profiles(connection: Connection, changed: Sequence[Profile], change_no: int) -> None:
    if changed:
        connection.execute(
            profiles.update()
            .where(profiles.c.id == bindparam("own_id"))
            .values(body=bindparam("new_body"), change_no=change_no),
            [{"own_id": each.id, "new_body": _encode(each)} for each in changed],
        )


def empty_profiles(connection: Connection, ids: Sequence[str], change_no: int) -> None:
    """What was merged or deleted. Only its id stays: other processes see by it that it is gone."""
    if ids:
        connection.execute(
            profiles.update().where(profiles.c.id.in_(ids)).values(body=None, change_no=change_no)
        )


def name_profiles(connection: Connection, project_id: str, names: Mapping[Identifier, str]) -> None:
    """Each identifier is that profile's from now on, whosever it was."""
    if not names:
        return
    digests = {each.digest(): profile_id for each, profile_id in names.items()}
    for part in _parts(digests):
        connection.execute(
            delete(profile_identifiers).where(
                profile_identifiers.c.project_id == project_id,
                profile_identifiers.c.digest.in_(part),
            )
        )
    connection.execute(
        profile_identifiers.insert(),
        [
            {"project_id": project_id, "digest": digest, "profile_id": profile_id}
            for digest, profile_id in digests.items()
        ],
    )


def known_events(
    connection: Connection, project_id: str, event_ids: Iterable[str]
) -> frozenset[str]:
    found: set[str] = set()
    for part in _parts(set(event_ids)):
        rows = connection.execute(
            select(profile_events.c.event_id).where(
                profile_events.c.project_id == project_id, profile_events.c.event_id.in_(part)
            )
        )
        found.update(rows.scalars())
    return frozenset(found)


def add_events(
    connection: Connection,
    project_id: str,
    happened: Sequence[tuple[str, Happening]],
) -> None:
    """Each with the id of its profile; none of them may be known."""
    if happened:
        connection.execute(
            profile_events.insert(),
            [
                {
                    "project_id": project_id,
                    "event_id": each.event_id,
                    "profile_id": profile_id,
                    "name": each.name,
                    "at_ms": each.at_ms,
                    "properties": _encode(each.properties) if each.properties else None,
                }
                for profile_id, each in happened
            ],
        )


def move_events(connection: Connection, from_id: str, to_id: str) -> None:
    connection.execute(
        profile_events.update()
        .where(profile_events.c.profile_id == from_id)
        .values(profile_id=to_id)
    )


def read_history(
    connection: Connection, profile_id: str, names: Iterable[str], since_ms: int
) -> dict[str, tuple[Occurrence, ...]]:
    """The latest HISTORY_PER_NAME of each name, the latest first."""
    return {
        name: tuple(
            Occurrence(row.at_ms, _properties_of(row.properties) if row.properties else {})
            for row in connection.execute(
                select(profile_events.c.at_ms, profile_events.c.properties)
                .where(
                    profile_events.c.profile_id == profile_id,
                    profile_events.c.name == name,
                    profile_events.c.at_ms >= since_ms,
                )
                .order_by(profile_events.c.at_ms.desc())
                .limit(HISTORY_PER_NAME)
            )
        )
        for name in names
    }


def read_account(connection: Connection, project_id: str, digest: bytes) -> Account | None:
    body = connection.execute(
        select(accounts.c.body).where(
            accounts.c.project_id == project_id, accounts.c.digest == digest
        )
    ).scalar_one_or_none()
    return None if body is None else _account_of(body)


def write_account(connection: Connection, account: Account, digest: bytes, change_no: int) -> None:
    where = (accounts.c.project_id == account.project_id, accounts.c.digest == digest)
    changed = connection.execute(
        accounts.update().where(*where).values(body=_encode(account), change_no=change_no)
    )
    if changed.rowcount == 0:
        connection.execute(
            accounts.insert().values(
                project_id=account.project_id,
                digest=digest,
                body=_encode(account),
                change_no=change_no,
            )
        )


def count_profiles(connection: Connection, project_id: str) -> int:
    return connection.execute(
        select(func.count())
        .select_from(profiles)
        .where(profiles.c.project_id == project_id, profiles.c.body.is_not(None))
    ).scalar_one()
