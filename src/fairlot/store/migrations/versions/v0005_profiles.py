"""What the server decides by beside what is signed, source tokens, and privacy of projects."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, columns in _added_columns().items():
        for column in columns:
            op.add_column(table, column)


def downgrade() -> None:
    """Source tokens end: they would be taken for experiment tokens."""
    op.execute("DELETE FROM tokens WHERE kind = 'source'")
    for table, columns in _added_columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _added_columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "manifests": (sa.Column("server_payload", sa.LargeBinary),),
        "tokens": (
            sa.Column("kind", sa.String(16), nullable=False, server_default="experiment"),
            sa.Column("allowed_origins", sa.JSON),
        ),
        "projects": (
            sa.Column("honours_gpc", sa.Boolean, nullable=False, server_default=sa.true()),
        ),
    }
