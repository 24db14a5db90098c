"""The first organization of an empty store, and the credentials to begin with."""

import time
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.events import new_ulid
from fairlot.service.access import issue_token
from fairlot.service.actors import SYSTEM, Scope
from fairlot.service.api_keys import issue_key
from fairlot.service.audit import CREATED, begin_audit, record
from fairlot.service.key_rotation import announce_key
from fairlot.service.signing_keys import make_signing_key
from fairlot.store import Store
from fairlot.store.signing_keys import KeyState
from fairlot.store.tenants import (
    OrganizationRow,
    ProjectRow,
    add_organization,
    add_project,
    organization_keys,
)

DEFAULT = "default"


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


def _create_first(connection: Connection, at_ms: int) -> FirstCredentials:
    org_id = f"org_{new_ulid(at_ms)}"
    project = ProjectRow(f"prj_{new_ulid(at_ms)}", DEFAULT, org_id, DEFAULT)
    add_organization(connection, org_id, DEFAULT, at_ms)
    add_project(connection, project, at_ms)
    key = make_signing_key(connection, org_id, KeyState.CURRENT, at_ms)
    token = issue_token(connection, project.id, at_ms)
    admin = issue_key(
        connection, org_id, frozenset(Scope), None, created_by=SYSTEM.name, now_ms=at_ms
    )
    made: tuple[tuple[str, str | None, str], ...] = (
        (CREATED, None, f"organization:{DEFAULT}"),
        ("project.create", DEFAULT, f"project:{DEFAULT}"),
        ("signing_key.create", None, f"signing_key:{key.kid}"),
        ("token.create", DEFAULT, f"token:{sha256(token.encode()).hexdigest()[:16]}"),
        ("api_key.create", None, f"api_key:{admin.row.id}"),
    )
    for action, owner, target in made:
        record(connection, org_id, SYSTEM, action, now_ms=at_ms, project=owner, target=target)
    announce_key(connection, OrganizationRow(org_id, DEFAULT), SYSTEM, now_ms=at_ms)
    return FirstCredentials(DEFAULT, DEFAULT, token, admin.text)
