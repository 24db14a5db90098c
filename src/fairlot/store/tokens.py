"""Experiment tokens, as rows."""

from dataclasses import dataclass

from sqlalchemy import Connection, Select, or_, select, update

from fairlot.store.tables import tokens


@dataclass(frozen=True, slots=True)
class TokenRow:
    """`sha256` is of `token`, which is publishable and so kept as it is."""

    sha256: bytes
    project_id: str
    token: str
    created_at_ms: int
    revoked_at_ms: int | None = None
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None

    @property
    def id(self) -> str:
        """What it is called where its text should not stand."""
        return self.sha256.hex()[:16]


def add_token(connection: Connection, row: TokenRow) -> None:
    connection.execute(
        tokens.insert().values(
            sha256=row.sha256,
            project_id=row.project_id,
            token=row.token,
            created_at_ms=row.created_at_ms,
            expires_at_ms=row.expires_at_ms,
        )
    )


def tokens_of(connection: Connection, project_id: str) -> list[TokenRow]:
    """Of one project, ended ones too; oldest first."""
    query = (
        _token_rows()
        .where(tokens.c.project_id == project_id)
        .order_by(tokens.c.created_at_ms, tokens.c.sha256)
    )
    return [TokenRow(*row) for row in connection.execute(query)]


def tokens_not_revoked(connection: Connection) -> list[TokenRow]:
    """Of all projects; some may have expired."""
    query = _token_rows().where(tokens.c.revoked_at_ms.is_(None))
    return [TokenRow(*row) for row in connection.execute(query)]


def replace_token(connection: Connection, row: TokenRow) -> None:
    """When it ends; nothing else of a token changes."""
    connection.execute(
        update(tokens)
        .where(tokens.c.sha256 == row.sha256)
        .values(expires_at_ms=row.expires_at_ms, revoked_at_ms=row.revoked_at_ms)
    )


def mark_token_used(connection: Connection, digest: bytes, used_at_ms: int) -> None:
    """Only forwards: several processes report at their own pace."""
    earlier = or_(tokens.c.last_used_at_ms.is_(None), tokens.c.last_used_at_ms < used_at_ms)
    connection.execute(
        update(tokens).where(tokens.c.sha256 == digest, earlier).values(last_used_at_ms=used_at_ms)
    )


def _token_rows() -> Select[bytes, str, str, int, int | None, int | None, int | None]:
    return select(
        tokens.c.sha256,
        tokens.c.project_id,
        tokens.c.token,
        tokens.c.created_at_ms,
        tokens.c.revoked_at_ms,
        tokens.c.expires_at_ms,
        tokens.c.last_used_at_ms,
    )
