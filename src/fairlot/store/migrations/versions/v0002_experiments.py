"""Experiments, their layers, and the manifests that were published of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "layers",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("salt", sa.String(128), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_layers"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_layers_project_id"),
        sa.UniqueConstraint("project_id", "key", name="uq_layers_project_id_key"),
    )
    op.create_table(
        "experiments",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("variant_ids", sa.JSON, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("hypothesis", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger),
        sa.Column("draw_at_start", sa.Text),
        sa.Column("draw_changed", sa.Boolean, nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_experiments_project_id"),
        sa.UniqueConstraint("project_id", "key", name="uq_experiments_project_id_key"),
    )
    op.create_table(
        "manifests",
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("published_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("project_id", "version", name="pk_manifests"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_manifests_project_id"),
    )


def downgrade() -> None:
    for table in ("manifests", "experiments", "layers"):
        op.drop_table(table)
