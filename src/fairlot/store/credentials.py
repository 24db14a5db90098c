"""API keys, as rows."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select, update

from fairlot.store.tables import api_key_projects, api_keys


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """`project_ids` None is every project of the organization."""

    id: str
    organization_id: str
    secret_sha256: bytes
    scopes: frozenset[str]
    project_ids: frozenset[str] | None
    created_at_ms: int
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None
    name: str | None = None
    created_by: str | None = None


def add_api_key(connection: Connection, key: ApiKeyRow) -> None:
    connection.execute(
        api_keys.insert().values(
            id=key.id,
            organization_id=key.organization_id,
            secret_sha256=key.secret_sha256,
            scopes=sorted(key.scopes),
            created_at_ms=key.created_at_ms,
            expires_at_ms=key.expires_at_ms,
            name=key.name,
            created_by=key.created_by,
        )
    )
    for project_id in key.project_ids or ():
        connection.execute(
            api_key_projects.insert().values(api_key_id=key.id, project_id=project_id)
        )


def read_api_keys(connection: Connection, organization_id: str | None = None) -> list[ApiKeyRow]:
    """Of one organization or of all, revoked ones too; oldest first."""
    limited: defaultdict[str, set[str]] = defaultdict(set)
    for limit in connection.execute(select(api_key_projects)):
        limited[limit.api_key_id].add(limit.project_id)
    query = select(api_keys).order_by(api_keys.c.created_at_ms, api_keys.c.id)
    if organization_id is not None:
        query = query.where(api_keys.c.organization_id == organization_id)
    return [
        ApiKeyRow(
            id=row.id,
            organization_id=row.organization_id,
            secret_sha256=row.secret_sha256,
            scopes=frozenset(row.scopes),
            project_ids=frozenset(limited[row.id]) if row.id in limited else None,
            created_at_ms=row.created_at_ms,
            expires_at_ms=row.expires_at_ms,
            revoked_at_ms=row.revoked_at_ms,
            last_used_at_ms=row.last_used_at_ms,
            name=row.name,
            created_by=row.created_by,
        )
        for row in connection.execute(query)
    ]


def is_live_api_key(connection: Connection, key_id: str, now_ms: int) -> bool:
    """Whether it is there, not revoked and not expired."""
    lasts = or_(api_keys.c.expires_at_ms.is_(None), api_keys.c.expires_at_ms > now_ms)
    found = select(api_keys.c.id).where(
        api_keys.c.id == key_id, api_keys.c.revoked_at_ms.is_(None), lasts
    )
    return connection.execute(found).first() is not None


def replace_api_key(connection: Connection, key: ApiKeyRow) -> None:
    """When it ends; nothing else of a key changes."""
    connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key.id, api_keys.c.organization_id == key.organization_id)
        .values(expires_at_ms=key.expires_at_ms, revoked_at_ms=key.revoked_at_ms)
    )


def mark_api_key_used(connection: Connection, key_id: str, used_at_ms: int) -> None:
    """Only forwards: several processes report at their own pace."""
    earlier = or_(api_keys.c.last_used_at_ms.is_(None), api_keys.c.last_used_at_ms < used_at_ms)
    connection.execute(
        update(api_keys).where(api_keys.c.id == key_id, earlier).values(last_used_at_ms=used_at_ms)
    )
