"""Organizations, projects, and who may do what in them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tenants()
    _create_credentials()
    _create_singletons()


def downgrade() -> None:
    for table in (
        "serving",
        "vault_check",
        "signing_keys",
        "api_key_projects",
        "api_keys",
        "tokens",
        "projects",
        "organizations",
    ):
        op.drop_table(table)


def _create_tenants() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("key", name="uq_organizations_key"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(30), nullable=False),
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("tier", sa.String(16)),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_projects_organization_id"
        ),
        sa.UniqueConstraint("organization_id", "key", name="uq_projects_organization_id_key"),
    )


def _create_credentials() -> None:
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("sha256", name="pk_tokens"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_tokens_project_id"),
    )
    op.create_index("ix_tokens_project_id", "tokens", ["project_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.Column("last_used_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_api_keys_organization_id"
        ),
    )
    op.create_index("ix_api_keys_organization_id", "api_keys", ["organization_id"])
    op.create_table(
        "api_key_projects",
        sa.Column("api_key_id", sa.String(8), nullable=False),
        sa.Column("project_id", sa.String(30), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "project_id", name="pk_api_key_projects"),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name="fk_api_key_projects_api_key_id"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_api_key_projects_project_id"
        ),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.String(30), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("public_jwk", sa.JSON, nullable=False),
        sa.Column("sealed_private", sa.LargeBinary, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_signing_keys_organization_id"
        ),
    )
    op.create_index("ix_signing_keys_organization_id", "signing_keys", ["organization_id"])


def _create_singletons() -> None:
    op.create_table(
        "vault_check",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vault_check"),
    )
    serving = op.create_table(
        "serving",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_serving"),
    )
    op.bulk_insert(serving, [{"id": 1, "generation": 0}])
