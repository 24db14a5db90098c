"""Profiles and their identifiers, as rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_

from fairlot.profiles import Identifier, Profile
from fairlot.store.profiles.chunks import chunks
from fairlot.store.profiles.statements import Listing, Prepared
from fairlot.store.profiles.tables import profile_identifiers, profile_schema, profiles

_encode: Final = msgspec.json.Encoder(enc_hook=dict).encode
decoded_profile: Final = msgspec.json.Decoder(Profile).decode


# Made once: it takes longer to make a statement than to run it.
_NAMED: Final = profile_identifiers.join(
    profiles, profiles.c.id == profile_identifiers.c.profile_id
)
_IS_NAMED: Final = and_(
    profile_identifiers.c.project_id == bindparam("project"),
    profile_identifiers.c.digest.in_(bindparam("digests", expanding=True)),
)
_FIND: Final = select(
    profile_schema.c.change_no, profile_identifiers.c.digest, profiles.c.body
).select_from(profile_schema.outerjoin(_NAMED, _IS_NAMED))
_OWNERS: Final = Listing(
    lambda digests: select(profile_identifiers.c.digest, profile_identifiers.c.profile_id).where(
        profile_identifiers.c.project_id == bindparam("project"),
        profile_identifiers.c.digest.in_(digests),
    ),
    "project",
)
_BODIES: Final = Listing(
    lambda ids: select(profiles.c.id, profiles.c.body).where(
        profiles.c.id.in_(ids), profiles.c.body.is_not(None)
    )
)
_REPLACE: Final = Prepared(
    profiles.update()
    .where(profiles.c.id == bindparam("own_id"))
    .values(body=bindparam("new_body"), change_no=bindparam("new_change_no")),
    "new_body",
    "new_change_no",
    "own_id",
)


class StoredProfile(NamedTuple):
    """`size` is that of its body, in bytes."""

    profile: Profile
    size: int


class FoundProfile(NamedTuple):
    """`profile` None is: nobody is called so. `as_of` is the newest change that was then there."""

    profile: StoredProfile | None
    as_of: int


def profile_ids_of(
    connection: Connection, project_id: str, identifiers: Iterable[Identifier]
) -> dict[Identifier, str]:
    """Of those that are known."""
    by_digest = {each.digest(): each for each in identifiers}
    rows = _OWNERS.rows(connection, by_digest, project_id)
    return {by_digest[digest]: profile_id for digest, profile_id in rows}


def subject_ids_of(
    connection: Connection, project_id: str, identifiers: Iterable[Identifier]
) -> dict[Identifier, str]:
    """Of those that are known."""
    asked = tuple(identifiers)
    names = (name for each in asked for name in each.sought)
    owners = profile_ids_of(connection, project_id, dict.fromkeys(names))
    found = read_profiles(connection, owners.values())
    meant = (
        (each, _meant(each, [found.get(owners.get(name, "")) for name in each.sought]))
        for each in asked
    )
    return {each: profile.subject_id for each, profile in meant if profile is not None}


def find_profile(
    connection: Connection, project_id: str, identifiers: Sequence[Identifier]
) -> FoundProfile:
    """The one that the first known of them names. One statement, so that all of it is of one
    moment."""
    sought = [[name.digest() for name in each.sought] for each in identifiers]
    digests = [digest for each in sought for digest in each]
    rows = connection.execute(_FIND, {"project": project_id, "digests": digests}).all()
    bodies = {row.digest: row.body for row in rows if row.body is not None}
    as_of = rows[0].change_no
    for identifier, called in zip(identifiers, sought, strict=True):
        for body in (bodies[each] for each in called if each in bodies):
            profile = decoded_profile(body)
            if profile.answers_to(identifier):
                return FoundProfile(StoredProfile(profile, len(body)), as_of)
    return FoundProfile(None, as_of)


def _meant(identifier: Identifier, called: Iterable[Profile | None]) -> Profile | None:
    """The first that it means of those who have one of the names."""
    known = (each for each in called if each is not None)
    return next((each for each in known if each.answers_to(identifier)), None)


def read_profiles(connection: Connection, ids: Iterable[str]) -> dict[str, Profile]:
    """By id, of those that are there."""
    rows = _BODIES.rows(connection, dict.fromkeys(ids))
    return {profile_id: decoded_profile(body) for profile_id, body in rows}


def profiles_after(
    connection: Connection, project_id: str, after: tuple[int, str] | None, limit: int
) -> list[Profile]:
    """In the order of their creation, and of their ids; `after` is that of one of them."""
    position = tuple_(profiles.c.created_at_ms, profiles.c.id)
    query = (
        select(profiles.c.body)
        .where(profiles.c.project_id == project_id, profiles.c.body.is_not(None))
        .order_by(profiles.c.created_at_ms, profiles.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(position > tuple_(*after))
    return [decoded_profile(body) for body in connection.execute(query).scalars()]


def add_profiles(
    connection: Connection, added: Sequence[Profile], change_no: int
) -> list[StoredProfile]:
    stored = [(each, _encode(each)) for each in added]
    if stored:
        connection.execute(
            profiles.insert(),
            [
                {
                    "id": each.id,
                    "project_id": each.project_id,
                    "body": body,
                    "created_at_ms": each.created_at_ms,
                    "change_no": change_no,
                }
                for each, body in stored
            ],
        )
    return [StoredProfile(each, len(body)) for each, body in stored]


def replace_profiles(
    connection: Connection, changed: Sequence[Profile], change_no: int
) -> list[StoredProfile]:
    stored = [(each, _encode(each)) for each in changed]
    _REPLACE.run_all(connection, [(body, change_no, each.id) for each, body in stored])
    return [StoredProfile(each, len(body)) for each, body in stored]


def empty_profiles(
    connection: Connection, ids: Iterable[str], change_no: int, gone_at_ms: int
) -> None:
    """What was merged or deleted. Only its id stays: other processes see by it that it is gone."""
    for chunk in chunks(ids):
        connection.execute(
            profiles.update()
            .where(profiles.c.id.in_(chunk))
            .values(body=None, change_no=change_no, gone_at_ms=gone_at_ms)
        )


def name_profiles(connection: Connection, project_id: str, names: Mapping[Identifier, str]) -> None:
    """Each identifier is that profile's from now on, whosever it was."""
    named = {each.digest(): each for each in names}
    release_names(connection, project_id, named)
    if named:
        connection.execute(
            profile_identifiers.insert(),
            [
                {
                    "project_id": project_id,
                    "digest": digest,
                    "profile_id": names[each],
                    "anonymous_digest": each.anonymous_digest(),
                }
                for digest, each in named.items()
            ],
        )


def release_names(connection: Connection, project_id: str, digests: Iterable[bytes]) -> None:
    """Nobody is called so from now on."""
    for chunk in chunks(digests):
        connection.execute(
            delete(profile_identifiers).where(
                profile_identifiers.c.project_id == project_id,
                profile_identifiers.c.digest.in_(chunk),
            )
        )


def count_profiles(connection: Connection, project_id: str) -> int:
    return connection.execute(
        select(func.count())
        .select_from(profiles)
        .where(profiles.c.project_id == project_id, profiles.c.body.is_not(None))
    ).scalar_one()
