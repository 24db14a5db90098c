"""The tables of the control plane. Instants are milliseconds since the epoch, UTC."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

organizations = Table(
    "organizations",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("private", Boolean, nullable=False),
    Column("tier", String(16)),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("review_required", Boolean, nullable=False, server_default=false()),
    Column("honours_gpc", Boolean, nullable=False, server_default=true()),
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    UniqueConstraint("organization_id", "key"),
)

# A source token with `allowed_origins` may be used by browsers of those.
tokens = Table(
    "tokens",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("token", String(64), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("expires_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Column("kind", String(16), nullable=False, server_default="experiment"),
    Column("allowed_origins", JSON),
    Index(None, "project_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Column("name", Text),
    Column("created_by", String(64)),
    Index(None, "organization_id"),
)

# A key without a row here may work in every project of its organization.
api_key_projects = Table(
    "api_key_projects",
    metadata,
    Column("api_key_id", ForeignKey("api_keys.id"), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("public_jwk", JSON, nullable=False),
    Column("sealed_private", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("announced_at_ms", BigInteger),
    Column("state_at_ms", BigInteger),
    Index(None, "organization_id"),
)

# One row: something sealed, so that a wrong secret is noticed before it is used.
vault_check = Table(
    "vault_check",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

# One row: raised by every write that changes what is served.
serving = Table(
    "serving",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", BigInteger, nullable=False),
)

# What is authored beside experiments, by kind: layers, segments, holdouts and metrics.
definitions = Table(
    "definitions",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("key", String(128), nullable=False),
    Column("salt", String(128)),
    Column("document", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("deleted_at_ms", BigInteger),
    UniqueConstraint("project_id", "kind", "key"),
)

# `document` is the experiment in the manifest's JSON. `variant_ids` keeps the id of every variant
# key that was ever used. `draw_at_start` is what decided the draw when the experiment started.
experiments = Table(
    "experiments",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("variant_ids", JSON, nullable=False),
    Column("description", Text),
    Column("hypothesis", Text),
    Column("owner", Text),
    Column("tags", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("started_at_ms", BigInteger),
    Column("draw_at_start", Text),
    Column("draw_changed", Boolean, nullable=False),
    Column("deleted_at_ms", BigInteger),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("author", String(64)),
    Column("status_reason", Text),
    Column("approved_by", String(64)),
    Column("analysis", JSON),
    UniqueConstraint("project_id", "key"),
)

# What is fixed of an experiment's analysis when it first is asked for: the planned size, the level,
# the caps of its metrics.
analyses = Table(
    "analyses",
    metadata,
    Column("experiment_id", ForeignKey("experiments.id"), primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("fixed_at_ms", BigInteger, nullable=False),
)

# What each daily close saw of a variant against the control; `closed_on` is a day of the project.
looks = Table(
    "looks",
    metadata,
    Column("experiment_id", ForeignKey("experiments.id"), primary_key=True),
    Column("metric_key", String(64), primary_key=True),
    Column("variant_key", String(32), primary_key=True),
    Column("closed_on", String(10), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

# One row for every change of an experiment or a definition; `kind` says which.
revisions = Table(
    "revisions",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("author", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("reason", Text),
    Column("status", String(16)),
    Column("document", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
)

# `payload` is what is signed; `server_payload` holds what only the server decides by too, where
# there is anything of that.
manifests = Table(
    "manifests",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("kid", String(64), nullable=False),
    Column("published_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("author", String(64)),
    Column("note", Text),
    Column("revoke_reason", Text),
    Column("server_payload", LargeBinary),
)

# Of versions that are not stored, because a restore brought back an earlier state; the others say
# it themselves.
revocations = Table(
    "revocations",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("revoked_at_ms", BigInteger, nullable=False),
    Column("revoke_reason", Text),
)

# `expires_at_ms` is when no token of that id can be valid any more.
revoked_previews = Table(
    "revoked_previews",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("jti", String(64), primary_key=True),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger, nullable=False),
)

# One hash chain an organization. Triggers refuse to change or delete a record.
audit_records = Table(
    "audit_records",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("project", String(64)),
    Column("target", Text),
    Column("details", Text, nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# Where each chain ends, sealed: who cannot unseal it cannot cut or rewrite the chain unnoticed.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What was answered under an Idempotency-Key; sealed, because it may hold a new secret.
idempotent_replies = Table(
    "idempotent_replies",
    metadata,
    Column("organization_id", ForeignKey("organizations.id"), primary_key=True),
    Column("actor", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request_sha256", LargeBinary(32), nullable=False),
    Column("status", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)
