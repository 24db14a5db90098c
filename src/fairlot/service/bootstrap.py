"""The first organization of an empty store, and the credentials to begin with."""

import time
from dataclasses import dataclass

from fairlot.events import new_ulid
from fairlot.manifest import SigningKey
from fairlot.service.access import issue_key, issue_token
from fairlot.service.actors import Scope
from fairlot.service.publishing import publish, seal_name
from fairlot.store import Store
from fairlot.store.credentials import SigningKeyRow, add_signing_key
from fairlot.store.tenants import (
    ProjectRow,
    add_organization,
    add_project,
    has_organizations,
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
    """Make organization and project `default`; None, and nothing changed, if there is any.

    The project starts with an empty manifest of version 0, so that everything can be served.
    """
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    with store.writing() as connection:
        if has_organizations(connection):
            return None
        org_id = f"org_{new_ulid(at_ms)}"
        project = ProjectRow(f"prj_{new_ulid(at_ms)}", DEFAULT, org_id, DEFAULT)
        add_organization(connection, org_id, DEFAULT, at_ms)
        add_project(connection, project, at_ms)
        key = SigningKey.generate()
        sealed = store.vault.seal(seal_name(key.kid), key.private_bytes())
        row = SigningKeyRow(key.kid, org_id, "current", key.public_jwk(), sealed)
        add_signing_key(connection, row, at_ms)
        token = issue_token(connection, project.id, at_ms)
        admin = issue_key(connection, org_id, frozenset(Scope), None, at_ms)
        publish(connection, store.vault, project, at_ms)
    return FirstCredentials(DEFAULT, DEFAULT, token, admin.text)
