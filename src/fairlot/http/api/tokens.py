"""The experiment tokens of a project: publishable, several of them while they are rotated."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import Expire, Instant, milliseconds, written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.tokens import create_token, expire_token, live_tokens, revoke_token
from fairlot.store.tokens import TokenRow, tokens_of

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/tokens"


class CreateToken(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`expiresAt` absent is a token that does not expire."""

    expires_at: Instant | None = None


class ExperimentToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`lastUsedAt` lags by a minute or so."""

    id: str
    token: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked: bool
    revoked_at: str | None


class RevokedToken(ExperimentToken, frozen=True, kw_only=True, rename="camel"):
    live_tokens: Annotated[
        int,
        msgspec.Meta(
            description="How many the project has left. With 0, nobody is assigned any more."
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
    left = len(live_tokens(call.connection, call.tenant, call.now_ms))
    return Outcome(RevokedToken(**msgspec.structs.asdict(_document(row)), live_tokens=left))


def _position(row: TokenRow) -> tuple[int | str, ...]:
    return row.created_at_ms, row.id


def _document(row: TokenRow) -> ExperimentToken:
    return ExperimentToken(
        id=row.id,
        token=row.token,
        created_at=written(row.created_at_ms),
        expires_at=written(row.expires_at_ms),
        last_used_at=written(row.last_used_at_ms),
        revoked=row.revoked_at_ms is not None,
        revoked_at=written(row.revoked_at_ms),
    )


ROUTES: Final = (
    read(
        _PATH,
        "List the experiment tokens of a project, ended ones too, oldest first",
        Scope.ADMIN,
        list_tokens,
        {200: Answer("One page.", (Page[ExperimentToken],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH,
        "Create an experiment token beside those that a project has",
        Scope.ADMIN,
        create,
        {201: Answer("The token.", (ExperimentToken,))},
        request=CreateToken,
    ),
    write(
        "POST",
        _PATH + "/{id}/expire",
        "Let an experiment token end at another moment",
        Scope.ADMIN,
        expire,
        {200: Answer("The token, as it is now.", (ExperimentToken,))},
        request=Expire,
        errors=(409,),
    ),
    write(
        "POST",
        _PATH + "/{id}/revoke",
        "Revoke an experiment token, for good; also the last one",
        Scope.ADMIN,
        revoke,
        {200: Answer("The token, as it is now.", (RevokedToken,))},
    ),
)
