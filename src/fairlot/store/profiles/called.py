"""Who answers to a text that may be any name of somebody."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from fairlot.profiles import (
    Identifier,
    Profile,
    anonymous_digest,
    identifiers_written,
    user_identifier,
)
from fairlot.store.profiles.rows import profile_ids_of, read_profiles
from fairlot.store.profiles.tables import profile_identifiers


class Answering(NamedTuple):
    """Each once. `subject`: whose subject or user id the text is. `named`: who is called so in
    another kind, in the order of kinds. `anonymous`: whose anonymous id it is, by `sources`."""

    subject: Profile | None
    named: tuple[Profile, ...]
    anonymous: tuple[Profile, ...]
    sources: tuple[Identifier, ...]

    @property
    def all(self) -> tuple[Profile, ...]:
        return (*self._subject, *self.named, *self.anonymous)

    @property
    def meant(self) -> tuple[Profile, ...]:
        """Only without a subject another kind is meant, and an anonymous id last."""
        return self._subject or self.named or self.anonymous

    @property
    def others(self) -> tuple[Profile, ...]:
        """Who answers too, and is not meant."""
        return self.all[len(self.meant) :]

    @property
    def _subject(self) -> tuple[Profile, ...]:
        return () if self.subject is None else (self.subject,)


def who_answers(
    connection: Connection, project_id: str, text: str, also: Sequence[Identifier] = ()
) -> Answering:
    """`also` are names that the text stands for beside what it may be as it is."""
    own, *others = identifiers_written(text)
    user = user_identifier(text)
    subject = _called(connection, project_id, [own])
    named = _without(subject, _called(connection, project_id, [user, *others, *also]))
    sources = _sources_called(connection, project_id, text)
    anonymous = _without((*subject, *named), _called(connection, project_id, sources))
    return Answering(next(iter(subject), None), named, anonymous, sources)


def _sources_called(
    connection: Connection, project_id: str, anonymous_id: str
) -> tuple[Identifier, ...]:
    digest = anonymous_digest(anonymous_id)
    owners = select(profile_identifiers.c.profile_id).where(
        profile_identifiers.c.project_id == project_id,
        profile_identifiers.c.anonymous_digest == digest,
    )
    having = read_profiles(connection, connection.execute(owners).scalars())
    return tuple(
        each
        for profile_id in sorted(having)
        for each in having[profile_id].identifiers
        if each.anonymous_digest() == digest
    )


def _without(known: Sequence[Profile], profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    ids = {each.id for each in known}
    return tuple(each for each in profiles if each.id not in ids)


def _called(
    connection: Connection, project_id: str, identifiers: Sequence[Identifier]
) -> list[Profile]:
    """Each once, in the order of what they are called."""
    owners = profile_ids_of(connection, project_id, identifiers)
    found = read_profiles(connection, owners.values())
    ids = dict.fromkeys(owners[each] for each in identifiers if each in owners)
    return [found[each] for each in ids if each in found]
