"""What somebody does to an audit log who may write to its database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from fairlot.store import Store


@contextmanager
def tampering(store: Store) -> Iterator[Connection]:
    """A transaction in which no trigger protects the records; nothing of it is kept."""
    with store.writing(keep=False) as connection:
        drop_triggers(connection)
        yield connection


def drop_triggers(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP TRIGGER audit_records_refuse_change ON audit_records"))
        return
    names = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_records'"
    for name in connection.execute(text(names)).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))
