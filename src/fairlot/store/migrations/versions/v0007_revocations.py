"""Revoked versions of manifests that are not stored, as after a restore."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoke_reason", sa.Text),
        sa.PrimaryKeyConstraint("project_id", "version", name="pk_revocations"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_revocations_project_id"),
    )


def downgrade() -> None:
    op.drop_table("revocations")
