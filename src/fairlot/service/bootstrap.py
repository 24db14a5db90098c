"""The first organization of an empty store, and the credentials to begin with."""

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from fairlot.events import new_ulid
from fairlot.service.actors import SYSTEM, Scope
from fairlot.service.api_keys import issue_key
from fairlot.service.audit import CREATED, begin_audit, record
from fairlot.service.key_rotation import announce_key
from fairlot.service.projects import create_project
from fairlot.service.signing_keys import make_signing_key
from fairlot.store import Store
from fairlot.store.migrations import LATEST
from fairlot.store.signing_keys import KeyState
from fairlot.store.tenants import (
    OrganizationRow,
    add_organization,
    organization_keys,
)

DEFAULT = "default"
_FIRST_AUDITED: Final = "0004"
"""The revision of the tables that brought the audit log."""


@dataclass(frozen=True, slots=True)
class FirstCredentials:
    """`admin_key` cannot be shown again."""

    org: str
    project: str
    token: str
    admin_key: str


def bootstrap(store: Store, *, now_ms: int | None = None) -> FirstCredentials | None:
    """Make organization and project `default`; None if there is any organization.

    The project starts with an empty manifest of version 0, so that everything can be served. An
    organization that is older than the audit log gets its first record.
    """
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    with store.writing() as connection:
        owners = organization_keys(connection)
        for owner in owners:
            begin_audit(connection, owner, now_ms=at_ms)
        return None if owners else _create_first(connection, at_ms)


def brings_audit(before: str | None, after: str) -> bool:
    """Whether a migration gives an audit log to organizations that have none."""
    return before is not None and before < _FIRST_AUDITED <= after


def begin_older_audits(connection: Connection, before: str | None, after: str = LATEST) -> None:
    """Give each organization its first record, in the transaction that migrated the database from
    the revision `before`, if that had no audit log: an empty one is then always one whose records
    were removed."""
    if not brings_audit(before, after):
        return
    at_ms = time.time_ns() // 1_000_000
    for owner in organization_keys(connection):
        begin_audit(connection, owner, now_ms=at_ms)


def _create_first(connection: Connection, at_ms: int) -> FirstCredentials:
    organization = OrganizationRow(f"org_{new_ulid(at_ms)}", DEFAULT)
    add_organization(connection, organization.id, DEFAULT, at_ms)
    _record(connection, organization, CREATED, f"organization:{DEFAULT}", at_ms)
    key = make_signing_key(connection, organization.id, KeyState.CURRENT, at_ms)
    _record(connection, organization, "signing_key.create", f"signing_key:{key.kid}", at_ms)
    announce_key(connection, organization, SYSTEM, now_ms=at_ms)
    _, token = create_project(connection, organization, DEFAULT, actor=SYSTEM, now_ms=at_ms)
    admin = issue_key(
        connection,
        organization.id,
        frozenset(Scope),
        None,
        created_by=SYSTEM.name,
        now_ms=at_ms,
    )
    _record(connection, organization, "api_key.create", f"api_key:{admin.row.id}", at_ms)
    return FirstCredentials(DEFAULT, DEFAULT, token.token, admin.text)


def _record(
    connection: Connection, organization: OrganizationRow, action: str, target: str, at_ms: int
) -> None:
    record(connection, organization.id, SYSTEM, action, now_ms=at_ms, target=target)
