"""Tokens of projects, as rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, or_, select, update

from fairlot.store.tables import tokens


class TokenKind(StrEnum):
    """An EXPERIMENT token asks for decisions, a SOURCE token sends what happened."""

    EXPERIMENT = "experiment"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """`sha256` is of `token`, which is kept as it is: it is shown again. `allowed_origins` are of a
    source token that browsers hold; None is one that only servers may."""

    sha256: bytes
    project_id: str
    token: str
    created_at_ms: int
    revoked_at_ms: int | None = None
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None
    kind: TokenKind = TokenKind.EXPERIMENT
    allowed_origins: tuple[str, ...] | None = None

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
            kind=row.kind,
            allowed_origins=None if row.allowed_origins is None else [*row.allowed_origins],
        )
    )


def tokens_of(connection: Connection, project_id: str) -> list[TokenRow]:
    """Of one project, ended ones too; oldest first."""
    query = (
        _token_rows()
        .where(tokens.c.project_id == project_id)
        .order_by(tokens.c.created_at_ms, tokens.c.sha256)
    )
    return [*_read(connection.execute(query).mappings())]


def tokens_not_revoked(connection: Connection) -> list[TokenRow]:
    """Of all projects; some may have expired."""
    query = _token_rows().where(tokens.c.revoked_at_ms.is_(None))
    return [*_read(connection.execute(query).mappings())]


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


def _read(rows: Iterable[RowMapping]) -> Iterator[TokenRow]:
    for row in rows:
        columns: dict[str, Any] = {**row}
        columns["kind"] = TokenKind(row["kind"])
        if row["allowed_origins"] is not None:
            columns["allowed_origins"] = tuple(row["allowed_origins"])
        yield TokenRow(**columns)


def _token_rows() -> Select[*tuple[Any, ...]]:
    return select(
        tokens.c.sha256,
        tokens.c.project_id,
        tokens.c.token,
        tokens.c.created_at_ms,
        tokens.c.revoked_at_ms,
        tokens.c.expires_at_ms,
        tokens.c.last_used_at_ms,
        tokens.c.kind,
        tokens.c.allowed_origins,
    )
