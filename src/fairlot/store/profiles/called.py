"""Who answers to a text that may be any name of somebody."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from fairlot.profiles import Identifier, IdentifierKind, Profile, identifiers_written
from fairlot.store.profiles.rows import profile_ids_of, read_profiles
from fairlot.store.profiles.tables import profiles

_SOURCE: Final = msgspec.json.Decoder(tuple[str, str])
_PLACES: Final[dict[str, ColumnElement[Any]]] = {
    "sqlite": func.instr(profiles.c.body, bindparam("part")),
    "postgresql": func.position(bindparam("part").op("IN")(profiles.c.body)),
}


class Answering(NamedTuple):
    """`subject`: whose subject or user id the text is; that one alone is meant. `others`: who else
    answers, each once, in the order of kinds."""

    subject: Profile | None
    others: tuple[Profile, ...]

    @property
    def all(self) -> tuple[Profile, ...]:
        return self.others if self.subject is None else (self.subject, *self.others)


def who_answers(
    connection: Connection, project_id: str, text: str, also: Sequence[Identifier] = ()
) -> Answering:
    """By the index; `also` are names that the text stands for beside what it may be as it is."""
    own, *others = identifiers_written(text)
    subject = next(iter(_called(connection, project_id, [own])), None)
    own_id = None if subject is None else subject.id
    found = _called(connection, project_id, [*others, *also])
    return Answering(subject, tuple(each for each in found if each.id != own_id))


def sources_called(
    connection: Connection, project_id: str, profile_id: str
) -> Iterator[Identifier]:
    """Those of any source with this anonymous id. All profiles of the project are read, 5 s for a
    million of 1 KB: look for other kinds first, and hold no lock meanwhile."""
    place = _PLACES[connection.dialect.name]
    ids = select(profiles.c.id).where(profiles.c.project_id == project_id, place > 0)
    having = connection.execute(ids, {"part": _end_in_body(profile_id)}).scalars().all()
    for profile in read_profiles(connection, having).values():
        for each in profile.identifiers:
            if each.kind is IdentifierKind.SOURCE and _SOURCE.decode(each.value)[1] == profile_id:
                yield each


def _called(
    connection: Connection, project_id: str, identifiers: Sequence[Identifier]
) -> list[Profile]:
    """Each once, in the order of what they are called."""
    owners = profile_ids_of(connection, project_id, identifiers)
    found = read_profiles(connection, owners.values())
    ids = dict.fromkeys(owners[each] for each in identifiers if each in owners)
    return [found[each] for each in ids if each in found]


def _end_in_body(profile_id: str) -> bytes:
    """How the identifier of a source ends in the JSON of a profile: a JSON list in a text."""
    own = msgspec.json.encode(profile_id).decode()
    return msgspec.json.encode(f",{own}]")[1:]
