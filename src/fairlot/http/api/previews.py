"""Preview tokens over HTTP: sign one, revoke one."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, ask, named_project, write
from fairlot.http.management.instants import written
from fairlot.http.misfits import ALLOWED
from fairlot.http.problems import invalid_fields
from fairlot.http.registry import Answer
from fairlot.manifest.previews import DEFAULT_TTL_S, LONGEST_TTL_S, TOKEN_ID
from fairlot.service.actors import Scope
from fairlot.service.previews import mint_preview, revoke_preview

_PATH: Final = "/api/v1/orgs/{org}/preview"
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class SignPreview(
    msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True
):
    """One of `experimentId` (the id, or the key) and `experimentKey`. `project` absent is that of
    the header `X-Fairlot-Project`, or `default`."""

    variant_key: _Name
    experiment_id: _Name | None = None
    experiment_key: _Name | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_TTL_S)] = DEFAULT_TTL_S
    project: _Name | None = None


class SignedPreview(msgspec.Struct, frozen=True, rename="camel"):
    """Append `query` to the query of the page's URL. `jti` revokes the token."""

    token: str
    expires_at: str
    key_id: str
    jti: str
    query: str


class RevokePreview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    jti: Annotated[
        str,
        msgspec.Meta(
            pattern=f"^{TOKEN_ID.pattern}$",
            extra={
                ALLOWED: "of 1 to 64 of the characters A to Z, a to z, 0 to 9, `.`, `_` and `-`"
            },
        ),
    ]


class RevokedPreview(msgspec.Struct, frozen=True):
    jti: str
    revoked: bool = True


def sign(call: Call[SignPreview]) -> Outcome:
    asked = call.asked
    named = asked.experiment_id or asked.experiment_key
    if named is None or (asked.experiment_id and asked.experiment_key):
        raise invalid_fields("experimentId, experimentKey: give one of the two")
    minted = mint_preview(
        call.connection,
        named_project(call, asked.project),
        named,
        asked.variant_key,
        now_ms=call.now_ms,
        ttl_s=asked.ttl_seconds,
    )
    return Outcome(
        SignedPreview(
            token=minted.token,
            expires_at=written(minted.expires_at_ms),
            key_id=minted.kid,
            jti=minted.jti,
            query=minted.query,
        )
    )


def revoke(call: Call[RevokePreview]) -> Outcome:
    """A token is not stored, so nobody knows its project: a key of any project of the organization
    may revoke it."""
    revoke_preview(
        call.connection, call.organization, call.asked.jti, actor=call.actor, now_ms=call.now_ms
    )
    return Outcome(RevokedPreview(call.asked.jti))


ROUTES: Final = (
    ask(
        _PATH + "/sign",
        "Sign a token that previews a variant of an experiment",
        Scope.WRITE,
        sign,
        {200: Answer("The token.", (SignedPreview,))},
        request=SignPreview,
        headers=("X-Fairlot-Project",),
        whole=False,
    ),
    write(
        "POST",
        _PATH + "/revoke",
        "Revoke a preview token",
        Scope.WRITE,
        revoke,
        {200: Answer("The token is in the list of revocations.", (RevokedPreview,))},
        request=RevokePreview,
        whole=False,
    ),
)
