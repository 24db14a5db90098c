"""Between the first version of the profiles and the second, which looks anonymous ids up."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, text

from fairlot.profiles import IdentifierKind
from fairlot.store.profiles.rows import decoded_profile
from fairlot.store.profiles.tables import ANONYMOUS_IDS, profile_identifiers, profiles

_AT_ONCE: Final = 1_000
_NOTE: Final = (
    profile_identifiers.update()
    .where(
        profile_identifiers.c.project_id == bindparam("own_project"),
        profile_identifiers.c.digest == bindparam("own_digest"),
    )
    .values(anonymous_digest=bindparam("new_digest"))
)


def add_anonymous_ids(connection: Connection) -> None:
    """Reads all profiles once, 20 s for a million."""
    column = profile_identifiers.c.anonymous_digest
    kind = column.type.compile(connection.dialect)
    connection.execute(
        text(f"ALTER TABLE {profile_identifiers.name} ADD COLUMN {column.name} {kind}")
    )
    for bodies in _bodies(connection):
        noted = [
            {
                "own_project": profile.project_id,
                "own_digest": each.digest(),
                "new_digest": each.anonymous_digest(),
            }
            for profile in map(decoded_profile, bodies)
            for each in profile.identifiers
            if each.kind is IdentifierKind.SOURCE
        ]
        if noted:
            connection.execute(_NOTE, noted)
    ANONYMOUS_IDS.create(connection)


def remove_anonymous_ids(connection: Connection) -> None:
    ANONYMOUS_IDS.drop(connection)
    column = profile_identifiers.c.anonymous_digest.name
    connection.execute(text(f"ALTER TABLE {profile_identifiers.name} DROP COLUMN {column}"))


def _bodies(connection: Connection) -> Iterator[Sequence[bytes]]:
    after = ""
    query: Any = select(profiles.c.id, profiles.c.body).order_by(profiles.c.id).limit(_AT_ONCE)
    query = query.where(profiles.c.body.is_not(None), profiles.c.id > bindparam("after"))
    while rows := connection.execute(query, {"after": after}).all():
        yield [row.body for row in rows]
        after = rows[-1].id
