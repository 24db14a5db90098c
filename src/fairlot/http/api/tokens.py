"""The tokens of a project, for its experiments and its sources; several while they are rotated."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import Expire, Instant, milliseconds, written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.tokens import create_token, expire_token, live_tokens, revoke_token
from fairlot.store.tokens import TokenKind, TokenRow, tokens_of

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/tokens"


class CreateToken(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`expiresAt` absent is a token that does not expire. `allowedOrigins` make a source token one
    that pages of these origins may use: what is sent with it has `trust: public`, and each address
    is throttled. Without them only servers can use it."""

    expires_at: Instant | None = None
    kind: TokenKind = TokenKind.EXPERIMENT
    allowed_origins: list[str] | None = None


class ProjectToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`lastUsedAt` lags by a minute or so."""

    id: str
    kind: TokenKind
    token: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    allowed_origins: tuple[str, ...] | None
    revoked: bool
    revoked_at: str | None


class RevokedToken(ProjectToken, frozen=True, kw_only=True, rename="camel"):
    live_tokens: Annotated[
        int,
        msgspec.Meta(
            description="How many of its kind the project has left. With 0, nobody is assigned any"
            " more, or no event is taken."
        ),
    ]


def list_tokens(call: Call[Paging]) -> Outcome:
    rows = tokens_of(call.connection, call.tenant.id)
    return page_of_all(call, rows, _position, _document)


def create(call: Call[CreateToken]) -> Outcome:
    ends = call.asked.expires_at
    row = create_token(
        call.connection,
        call.tenant,
        expires_at_ms=None if ends is None else milliseconds(ends),
        kind=call.asked.kind,
        allowed_origins=call.asked.allowed_origins,
        actor=call.actor,
        now_ms=call.now_ms,
    )
    return Outcome(_document(row), 201)


def expire(call: Call[Expire]) -> Outcome:
    row = expire_token(
        call.connection,
        call.tenant,
        call.path["id"],
        expires_at_ms=milliseconds(call.asked.expires_at),
        actor=call.actor,
        now_ms=call.now_ms,
    )
    return Outcome(_document(row))


def revoke(call: Call[None]) -> Outcome:
    row = revoke_token(
        call.connection, call.tenant, call.path["id"], actor=call.actor, now_ms=call.now_ms
    )
    left = len(live_tokens(call.connection, call.tenant, call.now_ms, row.kind))
    return Outcome(RevokedToken(**msgspec.structs.asdict(_document(row)), live_tokens=left))


def _position(row: TokenRow) -> tuple[int | str, ...]:
    return row.created_at_ms, row.id


def _document(row: TokenRow) -> ProjectToken:
    return ProjectToken(
        id=row.id,
        kind=row.kind,
        token=row.token,
        created_at=written(row.created_at_ms),
        expires_at=written(row.expires_at_ms),
        last_used_at=written(row.last_used_at_ms),
        allowed_origins=row.allowed_origins,
        revoked=row.revoked_at_ms is not None,
        revoked_at=written(row.revoked_at_ms),
    )


ROUTES: Final = (
    read(
        _PATH,
        "List the tokens of a project, ended ones too, oldest first",
        Scope.ADMIN,
        list_tokens,
        {200: Answer("One page.", (Page[ProjectToken],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH,
        "Create a token of an experiment or a source, beside those that a project has",
        Scope.ADMIN,
        create,
        {201: Answer("The token.", (ProjectToken,))},
        request=CreateToken,
    ),
    write(
        "POST",
        _PATH + "/{id}/expire",
        "Let a token end at another moment",
        Scope.ADMIN,
        expire,
        {200: Answer("The token, as it is now.", (ProjectToken,))},
        request=Expire,
        errors=(409,),
    ),
    write(
        "POST",
        _PATH + "/{id}/revoke",
        "Revoke a token, for good; also the last one",
        Scope.ADMIN,
        revoke,
        {200: Answer("The token, as it is now.", (RevokedToken,))},
    ),
)
