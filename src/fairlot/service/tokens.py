"""Tokens of one project: of experiments, which are publishable, and of sources, which send events.
Several of a kind may live at once, so that they rotate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.manifest.instants import write_instant
from fairlot.service.access import base62
from fairlot.service.actors import Actor
from fairlot.service.audit import Json, record
from fairlot.service.ends import check_new_end, check_still_live, has_expired
from fairlot.service.origins import check_origins
from fairlot.store.tenants import ProjectRow, raise_generation
from fairlot.store.tokens import TokenKind, TokenRow, add_token, replace_token, tokens_of

TOKEN_PREFIXES: Final[Mapping[TokenKind, str]] = {
    TokenKind.EXPERIMENT: "exp_",
    TokenKind.SOURCE: "src_",
}
_TOKEN_LENGTH: Final = 32


class UnknownToken(FairlotError):
    """The project has no token of that id."""

    code = "unknown_token"

    def __init__(self, project: ProjectRow, token_id: str) -> None:
        self.token_id = token_id
        super().__init__(
            f"{token_id}: no token of {project.organization_key}/{project.key}; list its"
            " tokens to find the id"
        )


def create_token(
    connection: Connection,
    project: ProjectRow,
    *,
    actor: Actor,
    now_ms: int,
    expires_at_ms: int | None = None,
    kind: TokenKind = TokenKind.EXPERIMENT,
    allowed_origins: Sequence[str] | None = None,
) -> TokenRow:
    """Beside those that the project has. With `allowed_origins` it is a source token for pages of
    these origins. Raises InvalidEnd or InvalidOrigins."""
    if expires_at_ms is not None:
        check_new_end(expires_at_ms, now_ms)
    origins = None if allowed_origins is None else check_origins(kind, allowed_origins)
    text = TOKEN_PREFIXES[kind] + base62(_TOKEN_LENGTH)
    digest = sha256(text.encode()).digest()
    row = TokenRow(
        digest,
        project.id,
        text,
        now_ms,
        expires_at_ms=expires_at_ms,
        kind=kind,
        allowed_origins=origins,
    )
    add_token(connection, row)
    raise_generation(connection)
    details: dict[str, Json] = {
        "expiresAt": None if expires_at_ms is None else write_instant(expires_at_ms)
    }
    if kind is not TokenKind.EXPERIMENT:
        details |= {"kind": kind, "allowedOrigins": None if origins is None else [*origins]}
    _record(connection, project, actor, "token.create", row, now_ms, details)
    return row


def expire_token(
    connection: Connection,
    project: ProjectRow,
    token_id: str,
    *,
    expires_at_ms: int,
    actor: Actor,
    now_ms: int,
) -> TokenRow:
    """Let it end at another moment. Raises UnknownToken, HasEnded or InvalidEnd."""
    row = _find(connection, project, token_id)
    check_still_live(token_id, row.revoked_at_ms, row.expires_at_ms, now_ms)
    check_new_end(expires_at_ms, now_ms)
    details = {"expiresAt": write_instant(expires_at_ms)}
    _record(connection, project, actor, "token.expire", row, now_ms, details)
    return _replace(connection, replace(row, expires_at_ms=expires_at_ms))


def revoke_token(
    connection: Connection, project: ProjectRow, token_id: str, *, actor: Actor, now_ms: int
) -> TokenRow:
    """For good, also the last one. Repeating it changes nothing. Raises UnknownToken."""
    row = _find(connection, project, token_id)
    if row.revoked_at_ms is not None:
        return row
    _record(connection, project, actor, "token.revoke", row, now_ms, {})
    return _replace(connection, replace(row, revoked_at_ms=now_ms))


def live_tokens(
    connection: Connection,
    project: ProjectRow,
    now_ms: int,
    kind: TokenKind = TokenKind.EXPERIMENT,
) -> list[TokenRow]:
    """Those of a kind that work; oldest first."""
    return [
        row
        for row in tokens_of(connection, project.id)
        if row.kind is kind
        and row.revoked_at_ms is None
        and not has_expired(row.expires_at_ms, now_ms)
    ]


def live_token(connection: Connection, project: ProjectRow, *, actor: Actor, now_ms: int) -> str:
    """The text of the newest experiment token that works; one is made if there is none."""
    live = live_tokens(connection, project, now_ms)
    row = live[-1] if live else create_token(connection, project, actor=actor, now_ms=now_ms)
    return row.token


def _find(connection: Connection, project: ProjectRow, token_id: str) -> TokenRow:
    for row in tokens_of(connection, project.id):
        if row.id == token_id:
            return row
    raise UnknownToken(project, token_id)


def _replace(connection: Connection, row: TokenRow) -> TokenRow:
    replace_token(connection, row)
    raise_generation(connection)
    return row


def _record(
    connection: Connection,
    project: ProjectRow,
    actor: Actor,
    action: str,
    row: TokenRow,
    now_ms: int,
    details: Mapping[str, Json],
) -> None:
    record(
        connection,
        project.organization_id,
        actor,
        action,
        now_ms=now_ms,
        project=project.key,
        target=f"token:{row.id}",
        details=details,
    )
