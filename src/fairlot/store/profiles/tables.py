"""The tables of profiles, accounts and products. Instants are milliseconds since the epoch, UTC.

What a profile is called may be long and personal: indexes hold its SHA-256, its body the text.
What is changed here takes a step in opening.py.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# One row. `change_no` is raised by every write, so that other processes see what has changed.
profile_schema = Table(
    "profile_schema",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("change_no", BigInteger, nullable=False),
)

# Without a body, what was deleted or merged into another, and when.
profiles = Table(
    "profiles",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("project_id", String(30), nullable=False),
    Column("body", LargeBinary),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Column("gone_at_ms", BigInteger),
    Index(None, "change_no"),
    Index(None, "project_id", "created_at_ms", "id"),
)
Index(
    "ix_profiles_gone_at_ms",
    profiles.c.gone_at_ms,
    sqlite_where=profiles.c.gone_at_ms.is_not(None),
    postgresql_where=profiles.c.gone_at_ms.is_not(None),
)

# `anonymous_digest` is that of the anonymous id of a source, whichever source.
profile_identifiers = Table(
    "profile_identifiers",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("profile_id", String(30), nullable=False),
    Column("anonymous_digest", LargeBinary(32)),
    Index(None, "profile_id"),
)
ANONYMOUS_IDS: Final = Index(
    "ix_profile_identifiers_anonymous_digest",
    profile_identifiers.c.project_id,
    profile_identifiers.c.anonymous_digest,
    sqlite_where=profile_identifiers.c.anonymous_digest.is_not(None),
    postgresql_where=profile_identifiers.c.anonymous_digest.is_not(None),
)

profile_events = Table(
    "profile_events",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("event_id", String(36), primary_key=True),
    Column("profile_id", String(30), nullable=False),
    Column("name", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("properties", LargeBinary),
    Index(None, "profile_id", "name", "at_ms"),
    Index(None, "at_ms"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Index(None, "change_no"),
)

# The JSON of a product as it came. Without a body, what was deleted. `change_no` is that of its
# catalog when it was written.
products = Table(
    "products",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("body", LargeBinary),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Index(None, "project_id", "change_no"),
    Index(None, "project_id", "created_at_ms", "product_id"),
)

# What happened to a product on one day (days since the epoch, UTC), whether or not it is known.
# In the order of its key: a sum per product reads it once, from end to end.
product_days = Table(
    "product_days",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("views", Integer, nullable=False),
    Column("carts", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# One row per project with products. `change_no` is raised by every change of them, `results_no` by
# every refresh of the feeds. Whoever holds the lease refreshes.
catalogs = Table(
    "catalogs",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("change_no", BigInteger, nullable=False),
    Column("results_no", BigInteger, nullable=False),
    Column("refreshed_at_ms", BigInteger, nullable=False),
    Column("refresh_took_ms", BigInteger, nullable=False),
    Column("lease_holder", String(32)),
    Column("lease_until_ms", BigInteger, nullable=False),
)

# The products of each feed, in order, as its definition with that digest wants them.
feed_results = Table(
    "feed_results",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("feed_key", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# `until_ms` is 0 where a rejection was withdrawn.
rejections = Table(
    "rejections",
    metadata,
    Column("project_id", String(30), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Index(None, "change_no"),
)

# Who was deleted lately: by digests, 32 bytes each, one after the other.
deletions = Table(
    "deletions",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("project_id", String(30), nullable=False),
    Column("digests", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Column("emptied", Boolean, nullable=False),
    Index(None, "change_no"),
)
