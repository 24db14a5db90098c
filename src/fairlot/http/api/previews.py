"""Preview tokens over HTTP: sign one, revoke one."""

import asyncio
from typing import Annotated

import msgspec

from fairlot.http.admission import admit_key
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope, header
from fairlot.http.auth import authorized_in_organization, reached_project
from fairlot.http.body import read_json
from fairlot.http.problems import invalid_fields, not_found, store_unavailable
from fairlot.http.services import Services
from fairlot.manifest import InvalidPreview
from fairlot.manifest.instants import write_instant
from fairlot.manifest.previews import DEFAULT_TTL_S, LONGEST_TTL_S, TOKEN_ID
from fairlot.service.access import UnknownTenant
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.bootstrap import DEFAULT
from fairlot.service.previews import MintedPreview, NotPreviewable, mint_preview, revoke_preview
from fairlot.store import StoreFailed

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
    jti: Annotated[str, msgspec.Meta(pattern=f"^{TOKEN_ID.pattern}$")]


class RevokedPreview(msgspec.Struct, frozen=True):
    jti: str
    revoked: bool = True


_sign_decoder = msgspec.json.Decoder(SignPreview)
_revoke_decoder = msgspec.json.Decoder(RevokePreview)


def sign(services: Services) -> Handler:
    """POST /api/v1/orgs/{org}/preview/sign"""

    async def answer(scope: Scope, receive: Receive) -> Reply:
        org: str = scope["path_params"]["org"]
        key = authorized_in_organization(services, scope, AccessScope.WRITE, org)
        asked = await read_json(scope, receive, _sign_decoder)
        project = asked.project or _named_project(scope)
        admit_key(services, key, reached_project(services, key, org, project).tier)
        minted = await asyncio.to_thread(_mint, services, org, project, asked)
        return _reply(
            SignedPreview(
                token=minted.token,
                expires_at=write_instant(minted.expires_at_ms),
                key_id=minted.kid,
                jti=minted.jti,
                query=minted.query,
            )
        )

    return answer


def revoke(services: Services) -> Handler:
    """POST /api/v1/orgs/{org}/preview/revoke

    A token is not stored, so nobody knows its project: a key of any project of the organization
    may revoke it.
    """

    async def answer(scope: Scope, receive: Receive) -> Reply:
        org: str = scope["path_params"]["org"]
        key = authorized_in_organization(services, scope, AccessScope.WRITE, org)
        admit_key(services, key, None)
        asked = await read_json(scope, receive, _revoke_decoder)
        await asyncio.to_thread(_revoke, services, org, asked.jti)
        return _reply(RevokedPreview(asked.jti))

    return answer


def _mint(services: Services, org: str, project: str, asked: SignPreview) -> MintedPreview:
    named = asked.experiment_id or asked.experiment_key
    if named is None or (asked.experiment_id and asked.experiment_key):
        raise invalid_fields("experimentId, experimentKey: give one of the two")
    try:
        return mint_preview(
            services.store,
            org,
            project,
            named,
            asked.variant_key,
            now_ms=services.clock_ms(),
            ttl_s=asked.ttl_seconds,
        )
    except (NotPreviewable, UnknownTenant) as error:
        raise not_found(str(error)) from None
    except StoreFailed:
        raise store_unavailable() from None


def _revoke(services: Services, org: str, jti: str) -> None:
    try:
        revoke_preview(services.store, org, jti, now_ms=services.clock_ms())
    except InvalidPreview as error:
        raise invalid_fields(str(error)) from None
    except UnknownTenant as error:
        raise not_found(str(error)) from None
    except StoreFailed:
        raise store_unavailable() from None


def _named_project(scope: Scope) -> str:
    named = header(scope, b"x-fairlot-project")
    return DEFAULT if named is None else named.decode("latin-1")


def _reply(document: msgspec.Struct) -> Reply:
    return Reply(200, msgspec.json.encode(document), (JSON, NO_STORE))
