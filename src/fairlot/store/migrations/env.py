"""What Alembic runs: it works on the connection that it is given, and never opens one."""

import logging

from alembic import context

from fairlot.store.tables import metadata

logging.getLogger("alembic.runtime").setLevel(logging.WARNING)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
