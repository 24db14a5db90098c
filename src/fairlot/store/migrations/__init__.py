"""The history of the tables. `REVISIONS` is in order; a database names the last one it has.

Alembic is loaded only when there is something to migrate.
"""

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
LATEST: Final = REVISIONS[-1]


def upgrade(connection: Connection, revision: str = LATEST) -> None:
    """In the connection's transaction."""
    from alembic import command

    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str = "base") -> None:
    """In the connection's transaction; "base" drops everything."""
    from alembic import command

    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    place = str(files("fairlot.store.migrations"))
    config.set_main_option("script_location", place.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
