"""Preview tokens that must not be believed any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revoked_previews",
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("jti", sa.String(64), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "jti", name="pk_revoked_previews"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_revoked_previews_organization_id"
        ),
    )


def downgrade() -> None:
    op.drop_table("revoked_previews")
