"""API keys: made, limited, ended. A key is shown once; only its hash is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.manifest.instants import write_instant
from fairlot.service.access import KEY_ID_LENGTH, KEY_PREFIX, base62, existing_project
from fairlot.service.actors import Actor, Scope
from fairlot.service.audit import Json, record
from fairlot.service.ends import check_new_end, check_still_live
from fairlot.store.credentials import ApiKeyRow, add_api_key, read_api_keys, replace_api_key
from fairlot.store.tenants import OrganizationRow, raise_generation

_SECRET_LENGTH = 40


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


class ScopesNotHeld(FairlotError):
    """Nobody gives a key what they may not do themselves."""

    code = "scopes_not_held"

    def __init__(self, scopes: Iterable[str]) -> None:
        self.scopes = tuple(sorted(scopes))
        super().__init__(
            f"{', '.join(self.scopes)}: you do not have this scope yourself; leave it out, or use a"
            " key that has it"
        )


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """`text` is the whole key; it cannot be shown again."""

    row: ApiKeyRow
    text: str


def create_api_key(
    connection: Connection,
    organization: OrganizationRow,
    *,
    scopes: Iterable[str],
    projects: Sequence[str] | None = None,
    name: str | None = None,
    expires_at_ms: int | None = None,
    actor: Actor,
    now_ms: int,
) -> CreatedKey:
    """A key for some projects, or with None for all of the organization.

    Raises InvalidScopes, ScopesNotHeld, UnknownTenant or InvalidEnd.
    """
    allowed = _read_scopes(scopes)
    if not allowed <= actor.scopes:
        raise ScopesNotHeld(allowed - actor.scopes)
    if expires_at_ms is not None:
        check_new_end(expires_at_ms, now_ms)
    project_ids = (
        None
        if projects is None
        else frozenset(existing_project(connection, organization.key, each).id for each in projects)
    )
    created = issue_key(
        connection,
        organization.id,
        allowed,
        project_ids,
        name=name,
        created_by=actor.name,
        expires_at_ms=expires_at_ms,
        now_ms=now_ms,
    )
    details: dict[str, Json] = {"scopes": sorted(allowed), "name": name}
    details["projects"] = None if projects is None else sorted(projects)
    details["expiresAt"] = None if expires_at_ms is None else write_instant(expires_at_ms)
    _record(connection, actor, "api_key.create", created.row, now_ms, details)
    return created


def issue_key(
    connection: Connection,
    organization_id: str,
    scopes: frozenset[Scope],
    project_ids: frozenset[str] | None,
    *,
    created_by: str,
    now_ms: int,
    name: str | None = None,
    expires_at_ms: int | None = None,
) -> CreatedKey:
    """Asks nobody for leave."""
    key_id, secret = base62(KEY_ID_LENGTH), base62(_SECRET_LENGTH)
    row = ApiKeyRow(
        id=key_id,
        organization_id=organization_id,
        secret_sha256=sha256(secret.encode()).digest(),
        scopes=frozenset(scope.value for scope in scopes),
        project_ids=project_ids,
        name=name,
        created_by=created_by,
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
    )
    add_api_key(connection, row)
    raise_generation(connection)
    return CreatedKey(row, f"{KEY_PREFIX}{key_id}.{secret}")


def revoke_api_key(
    connection: Connection,
    organization: OrganizationRow,
    key_id: str,
    *,
    actor: Actor,
    now_ms: int,
) -> ApiKeyRow:
    """For good. Repeating it changes nothing. Raises UnknownKey."""
    row = _find(connection, organization, key_id)
    if row.revoked_at_ms is not None:
        return row
    _record(connection, actor, "api_key.revoke", row, now_ms)
    return _replace(connection, replace(row, revoked_at_ms=now_ms))


def expire_api_key(
    connection: Connection,
    organization: OrganizationRow,
    key_id: str,
    *,
    expires_at_ms: int,
    actor: Actor,
    now_ms: int,
) -> ApiKeyRow:
    """Let it end earlier: what was given for a time is not prolonged, by itself least of all.
    Raises UnknownKey, HasEnded or InvalidEnd."""
    row = _find(connection, organization, key_id)
    check_still_live(key_id, row.revoked_at_ms, row.expires_at_ms, now_ms)
    check_new_end(expires_at_ms, now_ms, row.expires_at_ms)
    details = {"expiresAt": write_instant(expires_at_ms)}
    _record(connection, actor, "api_key.expire", row, now_ms, details)
    return _replace(connection, replace(row, expires_at_ms=expires_at_ms))


def _record(
    connection: Connection,
    actor: Actor,
    action: str,
    row: ApiKeyRow,
    now_ms: int,
    details: Mapping[str, Json] | None = None,
) -> None:
    record(
        connection,
        row.organization_id,
        actor,
        action,
        now_ms=now_ms,
        target=f"api_key:{row.id}",
        details=details or {},
    )


def _replace(connection: Connection, row: ApiKeyRow) -> ApiKeyRow:
    replace_api_key(connection, row)
    raise_generation(connection)
    return row


def _find(connection: Connection, organization: OrganizationRow, key_id: str) -> ApiKeyRow:
    for row in read_api_keys(connection, organization.id):
        if row.id == key_id:
            return row
    raise UnknownKey(organization.key, key_id)


def _read_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    asked = tuple(scopes)
    if not asked or not set(asked) <= {scope.value for scope in Scope}:
        raise InvalidScopes(asked)
    return frozenset(Scope(scope) for scope in asked)
