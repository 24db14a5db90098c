"""Who may: experiment tokens and API keys."""

import hmac
import secrets
import string
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.service.actors import Scope
from fairlot.service.snapshot import ApiKeyRecord
from fairlot.store import Store
from fairlot.store.credentials import (
    ApiKeyRow,
    add_api_key,
    add_token,
    mark_api_key_revoked,
    mark_api_key_used,
    read_api_keys,
    token_of,
)
from fairlot.store.tenants import (
    all_projects,
    find_project,
    organization_id,
    raise_generation,
)

KEY_PREFIX = "fx_key_"
KEY_ID_LENGTH = 8
TOKEN_PREFIX = "exp_"  # noqa: S105 - the beginning of every token, no token itself
_SECRET_LENGTH = 40
_TOKEN_LENGTH = 32
_BASE62 = string.digits + string.ascii_letters
_NO_DIGEST = bytes(32)


class UnknownTenant(FairlotError):
    """There is no such organization, or no such project in it."""

    code = "unknown_tenant"

    def __init__(self, org: str, project: str | None = None) -> None:
        self.org = org
        self.project = project
        named = org if project is None else f"{org}/{project}"
        super().__init__(f"{named}: does not exist; check the spelling of organization and project")


class UnknownKey(FairlotError):
    """The organization has no API key of that id."""

    code = "unknown_key"

    def __init__(self, org: str, key_id: str) -> None:
        self.org = org
        self.key_id = key_id
        super().__init__(f"{key_id}: no API key of {org}; list its keys to find the id")


class InvalidScopes(FairlotError):
    """An API key without a scope, or with one that does not exist."""

    code = "invalid_scopes"

    def __init__(self, scopes: Iterable[str]) -> None:
        self.scopes = tuple(scopes)
        known = ", ".join(Scope)
        super().__init__(f"{', '.join(self.scopes) or 'no scope'}: name one or more of {known}")


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """`text` is the whole key; it cannot be shown again."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ListedKey:
    """`projects` None is the whole organization; `last_used_at_ms` lags by a minute or so."""

    id: str
    scopes: frozenset[Scope]
    projects: tuple[str, ...] | None
    created_at_ms: int
    expires_at_ms: int | None
    revoked_at_ms: int | None
    last_used_at_ms: int | None


def experiment_token(store: Store, org: str, project: str) -> str:
    """The publishable token of a project; one is made if it has none that is not revoked."""
    with store.writing() as connection:
        project_id = project_id_of(connection, org, project)
        return token_of(connection, project_id) or issue_token(connection, project_id, _now_ms())


def issue_token(connection: Connection, project_id: str, now_ms: int) -> str:
    token = TOKEN_PREFIX + base62(_TOKEN_LENGTH)
    add_token(connection, project_id, token, sha256(token.encode()).digest(), now_ms)
    raise_generation(connection)
    return token


def create_key(
    store: Store,
    org: str,
    *,
    scopes: Iterable[str],
    project: str | None = None,
    expires_at_ms: int | None = None,
    now_ms: int | None = None,
) -> CreatedKey:
    """A key for one project, or for all of the organization. `now_ms` defaults to the clock."""
    allowed = _read_scopes(scopes)
    with store.writing() as connection:
        owner = _organization(connection, org)
        projects = None if project is None else {project_id_of(connection, org, project)}
        created_at_ms = _now_ms() if now_ms is None else now_ms
        return issue_key(connection, owner, allowed, projects, created_at_ms, expires_at_ms)


def issue_key(
    connection: Connection,
    organization: str,
    scopes: frozenset[Scope],
    project_ids: Iterable[str] | None,
    now_ms: int,
    expires_at_ms: int | None = None,
) -> CreatedKey:
    key_id, secret = base62(KEY_ID_LENGTH), base62(_SECRET_LENGTH)
    add_api_key(
        connection,
        ApiKeyRow(
            id=key_id,
            organization_id=organization,
            secret_sha256=sha256(secret.encode()).digest(),
            scopes=frozenset(scope.value for scope in scopes),
            project_ids=None if project_ids is None else frozenset(project_ids),
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
        ),
    )
    raise_generation(connection)
    return CreatedKey(key_id, f"{KEY_PREFIX}{key_id}.{secret}")


def list_keys(store: Store, org: str) -> list[ListedKey]:
    """Of an organization, revoked ones too; oldest first."""
    with store.reading() as connection:
        rows = read_api_keys(connection, _organization(connection, org))
        names = {project.id: project.key for project in all_projects(connection)}
    return [
        ListedKey(
            id=row.id,
            scopes=frozenset(Scope(scope) for scope in row.scopes),
            projects=None
            if row.project_ids is None
            else tuple(sorted(names[project_id] for project_id in row.project_ids)),
            created_at_ms=row.created_at_ms,
            expires_at_ms=row.expires_at_ms,
            revoked_at_ms=row.revoked_at_ms,
            last_used_at_ms=row.last_used_at_ms,
        )
        for row in rows
    ]


def revoke_key(store: Store, org: str, key_id: str, *, now_ms: int | None = None) -> None:
    """For good. Repeating it changes nothing; an id that is not there raises UnknownKey."""
    with store.writing() as connection:
        owner = _organization(connection, org)
        if key_id not in {row.id for row in read_api_keys(connection, owner)}:
            raise UnknownKey(org, key_id)
        mark_api_key_revoked(connection, owner, key_id, _now_ms() if now_ms is None else now_ms)
        raise_generation(connection)


def verify_key(api_keys: Mapping[str, ApiKeyRecord], text: str, now_ms: int) -> ApiKeyRecord | None:
    """The live record of `fx_key_<id>.<secret>`; an unknown id takes as long as a wrong secret."""
    name, _, secret = text.partition(".")
    record = api_keys.get(name.removeprefix(KEY_PREFIX)) if name.startswith(KEY_PREFIX) else None
    expected = _NO_DIGEST if record is None else record.secret_sha256
    given = sha256(secret.encode("utf-8", "replace")).digest()
    if not hmac.compare_digest(given, expected) or record is None:
        return None
    expired = record.expires_at_ms is not None and record.expires_at_ms <= now_ms
    return None if record.revoked or expired else record


def store_last_used(store: Store, used_at_ms: Mapping[str, int]) -> None:
    """Note when keys were last used, by their ids; collect uses, and call this now and then."""
    if not used_at_ms:
        return
    with store.writing() as connection:
        for key_id, at_ms in used_at_ms.items():
            mark_api_key_used(connection, key_id, at_ms)


def project_id_of(connection: Connection, org: str, project: str) -> str:
    found = find_project(connection, org, project)
    if found is None:
        raise UnknownTenant(org, project)
    return found.id


def base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _organization(connection: Connection, org: str) -> str:
    found = organization_id(connection, org)
    if found is None:
        raise UnknownTenant(org)
    return found


def _read_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    asked = tuple(scopes)
    if not asked or not set(asked) <= {scope.value for scope in Scope}:
        raise InvalidScopes(asked)
    return frozenset(Scope(scope) for scope in asked)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
