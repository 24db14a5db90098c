"""Intempt's feeds: products that are recommended, to somebody or to everybody."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.body import read_body
from fairlot.http.faces.intempt import SourceId, admitted, id_of, read
from fairlot.http.problems import Refused, invalid_fields, unavailable
from fairlot.http.services import Services
from fairlot.profiles import Identifier, Profile, source_identifier, user_identifier
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.feeds import UnknownFeed
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.profiles.accessing import account_of
from fairlot.service.refusals import NotThere
from fairlot.service.snapshot import Tenant
from fairlot.store import StoreFailed

_HEADERS: Final = (JSON, NO_STORE)
_ACCOUNT: Final = "ACCOUNT"


class FeedRequest(msgspec.Struct, frozen=True, rename="camel"):
    """For the USER, the PROFILE (with `sourceId`) or the ACCOUNT called `id`; or `sourceId` and
    `profileId`, who need not be known. Without `fields` those of the feed."""

    id: str | None = None
    type: str | None = None
    source_id: SourceId = None
    profile_id: str | None = None
    fields: tuple[str, ...] | None = None
    limit: int | None = None
    offset: int | None = None
    product_id: str | None = None


class FeedProducts(msgspec.Struct, frozen=True):
    """Each with the fields that were asked for, as they were ingested."""

    products: tuple[dict[str, Any], ...]


class FeedSummary(msgspec.Struct, frozen=True, rename="camel"):
    """`feedInput` is what it needs to know: nothing, or who asks."""

    id: str
    name: str
    feed_input: str


class FeedList(msgspec.Struct, frozen=True):
    feeds: tuple[FeedSummary, ...]


_decoder: Final = msgspec.json.Decoder(FeedRequest)


def feed_products(services: Services) -> Handler:
    """POST /v1/{org}/projects/{project}/feeds/{key}/data"""

    async def answer(scope: Scope, receive: Receive) -> Reply:
        tenant = admitted(services, scope, AccessScope.DECIDE)
        request = read(await read_body(scope, receive), _decoder)
        key: str = scope["path_params"]["key"]
        try:
            profile = await _profile_of(services, tenant, request)
            products: Sequence[dict[str, Any]] = await services.feeds.products(
                tenant.project_id,
                key,
                profile,
                fields=request.fields,
                limit=_count("limit", request.limit),
                offset=_count("offset", request.offset) or 0,
                product_id=id_of("productId", request.product_id),
            )
        except UnknownFeed:
            raise invalid_fields(f"Invalid feed id: {key}") from None
        except (ProfilesUnavailable, StoreFailed) as error:
            raise unavailable(str(error)) from None
        return Reply(200, msgspec.json.encode({"products": products}), _HEADERS)

    return answer


def list_feeds(services: Services) -> Handler:
    """GET /v1/{org}/projects/{project}/feeds"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        tenant = admitted(services, scope, AccessScope.DECIDE)
        defined = services.feeds.defined(tenant.project_id)
        summaries = tuple(_summary(defined[key]) for key in sorted(defined))
        return Reply(200, msgspec.json.encode(FeedList(summaries)), _HEADERS)

    return answer


def _summary(feed: Feed) -> FeedSummary:
    asks_who = feed.algorithm is FeedAlgorithm.RECENTLY_VIEWED
    return FeedSummary(feed.key, feed.key, "USER" if asks_who else "NO_INPUT")


def _count(name: str, given: int | None) -> int | None:
    if given is not None and given < 0:
        raise invalid_fields(f"{name}: {given} must not be negative")
    return given


async def _profile_of(services: Services, tenant: Tenant, request: FeedRequest) -> Profile | None:
    source_id = id_of("sourceId", request.source_id)
    profile_id = id_of("profileId", request.profile_id)
    who = id_of("id", request.id)
    if who is None and request.type is None and source_id and profile_id:
        flat = [source_identifier(source_id, profile_id)]
        return await services.profiles.find(tenant.project_id, flat)
    if who is None:
        raise invalid_fields("Name is null")
    if request.type is None:
        raise invalid_fields("type is null")
    kind = request.type.upper()
    if kind == _ACCOUNT:  # what is recommended to an account is recommended to everybody
        try:
            await asyncio.to_thread(account_of, services.feeds.store, tenant.project_id, who)
        except NotThere:
            raise _not_found(kind, who) from None
        return None
    profile = await services.profiles.find(tenant.project_id, [_named(kind, who, source_id)])
    if profile is None:
        raise _not_found(kind, who)
    return profile


def _named(kind: str, who: str, source_id: str | None) -> Identifier:
    if kind == "USER":
        return user_identifier(who)
    if kind != "PROFILE":
        raise invalid_fields(f"type: {kind[:80]!r} must be USER, PROFILE or {_ACCOUNT}")
    if source_id is None:
        raise invalid_fields("sourceId: needed with the type PROFILE")
    return source_identifier(source_id, who)


def _not_found(kind: str, who: str) -> Refused:
    return invalid_fields(f"{kind} with id {who} is not found")
