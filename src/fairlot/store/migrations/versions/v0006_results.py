"""What is fixed of an analysis when it starts, the looks that were taken, and a project's days."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, column in _added_columns().items():
        op.add_column(table, column)
    op.create_table(
        "analyses",
        sa.Column(
            "experiment_id", sa.String(30), sa.ForeignKey("experiments.id"), primary_key=True
        ),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("fixed_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "looks",
        sa.Column(
            "experiment_id", sa.String(30), sa.ForeignKey("experiments.id"), primary_key=True
        ),
        sa.Column("metric_key", sa.String(64), primary_key=True),
        sa.Column("variant_key", sa.String(32), primary_key=True),
        sa.Column("closed_on", sa.String(10), primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("looks")
    op.drop_table("analyses")
    for table, column in _added_columns().items():
        op.drop_column(table, column.name)


def _added_columns() -> dict[str, sa.Column[Any]]:
    return {
        "projects": sa.Column(
            "time_zone", sa.String(64), nullable=False, server_default=sa.text("'UTC'")
        ),
        "experiments": sa.Column("analysis", sa.JSON),
    }
