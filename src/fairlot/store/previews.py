"""Revoked preview tokens, as rows."""

from collections import defaultdict

from sqlalchemy import Connection, delete, select

from fairlot.store.tables import revoked_previews


def add_revoked_preview(
    connection: Connection, organization_id: str, jti: str, expires_at_ms: int, now_ms: int
) -> bool:
    """Whether it is new: the first revocation keeps its times."""
    own = (revoked_previews.c.organization_id == organization_id, revoked_previews.c.jti == jti)
    if connection.execute(select(revoked_previews.c.jti).where(*own)).first() is not None:
        return False
    connection.execute(
        revoked_previews.insert().values(
            organization_id=organization_id,
            jti=jti,
            expires_at_ms=expires_at_ms,
            revoked_at_ms=now_ms,
        )
    )
    return True


def forget_expired_previews(connection: Connection, now_ms: int) -> None:
    """Nobody believes an expired token, revoked or not."""
    connection.execute(delete(revoked_previews).where(revoked_previews.c.expires_at_ms <= now_ms))


def read_revoked_previews(connection: Connection, now_ms: int) -> dict[str, list[str]]:
    """The ids of the tokens that may not have expired, by organization id, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    rows = connection.execute(
        select(revoked_previews.c.organization_id, revoked_previews.c.jti)
        .where(revoked_previews.c.expires_at_ms > now_ms)
        .order_by(revoked_previews.c.jti)
    )
    for row in rows:
        found[row.organization_id].append(row.jti)
    return dict(found)
