"""What is kept no longer, deleted a little at a time, so that writers wait for moments only."""

from sqlalchemy import Connection, delete, select, tuple_

from fairlot.store.profiles.tables import profile_events, profiles


def prune_gone(connection: Connection, before_ms: int, most: int) -> int:
    """The ids that stayed of profiles which were merged or deleted before that moment; how many."""
    old = select(profiles.c.id).where(profiles.c.gone_at_ms < before_ms).limit(most)
    ids = connection.execute(old).scalars().all()
    connection.execute(delete(profiles).where(profiles.c.id.in_(ids)))
    return len(ids)


def prune_events(connection: Connection, before_ms: int, most: int) -> int:
    """Events that happened before that moment; how many."""
    name = (profile_events.c.project_id, profile_events.c.event_id)
    old = select(*name).where(profile_events.c.at_ms < before_ms).limit(most)
    keys = [tuple(row) for row in connection.execute(old)]
    connection.execute(delete(profile_events).where(tuple_(*name).in_(keys)))
    return len(keys)
