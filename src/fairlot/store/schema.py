"""Bringing a database to a revision, in the transaction of one connection."""

from sqlalchemy import Connection, inspect, text

from fairlot.store.errors import NewerStore, Place
from fairlot.store.migrations import REVISIONS, downgrade, upgrade


def revision_of(connection: Connection) -> str | None:
    """None of a database that holds nothing of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def known_revision_of(connection: Connection, place: Place) -> str | None:
    """As `revision_of`; raises NewerStore."""
    revision = revision_of(connection)
    if revision is not None and revision not in REVISIONS:
        raise NewerStore(place, revision)
    return revision


def bring_to(connection: Connection, place: Place, revision: str) -> str | None:
    """Up or down; the revision before. Raises NewerStore."""
    before = known_revision_of(connection, place)
    if before is None or REVISIONS.index(before) < REVISIONS.index(revision):
        upgrade(connection, revision)
    elif before != revision:
        downgrade(connection, revision)
    return before
