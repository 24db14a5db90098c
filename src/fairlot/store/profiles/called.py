"""Who answers to a text that may be any name of somebody."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from fairlot.profiles import Identifier, Profile, anonymous_digest, identifiers_written
from fairlot.store.profiles.rows import profile_ids_of, read_profiles
from fairlot.store.profiles.tables import profile_identifiers


class Answering(NamedTuple):
    """`subject`: whose subject or user id the text is; that one alone is meant. `others`: who else
    answers, each once, in the order of kinds. `sources`: those that gave it as an anonymous id,
    which are asked only when nobody answers otherwise."""

    subject: Profile | None
    others: tuple[Profile, ...]
    sources: tuple[Identifier, ...] = ()

    @property
    def all(self) -> tuple[Profile, ...]:
        return self.others if self.subject is None else (self.subject, *self.others)


def who_answers(
    connection: Connection, project_id: str, text: str, also: Sequence[Identifier] = ()
) -> Answering:
    """`also` are names that the text stands for beside what it may be as it is."""
    own, *others = identifiers_written(text)
    subject = next(iter(_called(connection, project_id, [own])), None)
    own_id = None if subject is None else subject.id
    called = _called(connection, project_id, [*others, *also])
    found = tuple(each for each in called if each.id != own_id)
    if subject is not None or found:
        return Answering(subject, found)
    sources = _sources_called(connection, project_id, text)
    return Answering(None, tuple(_called(connection, project_id, sources)), sources)


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


def _called(
    connection: Connection, project_id: str, identifiers: Sequence[Identifier]
) -> list[Profile]:
    """Each once, in the order of what they are called."""
    owners = profile_ids_of(connection, project_id, identifiers)
    found = read_profiles(connection, owners.values())
    ids = dict.fromkeys(owners[each] for each in identifiers if each in owners)
    return [found[each] for each in ids if each in found]
