"""The feeds of a project as they are served, and their refresh."""

import asyncio
from typing import Annotated, Any, Final

import msgspec

from fairlot.engine import FeedAlgorithm
from fairlot.http.management import Call, Outcome, ask, read
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer
from fairlot.profiles import Profile, subject_identifier
from fairlot.service.actors import Scope
from fairlot.service.feeds.sources import BUILT_IN, MAX_LIMIT, MAX_OFFSET
from fairlot.store.profiles.catalogs import read_catalogs
from fairlot.store.profiles.products import count_products

_CATALOG: Final = "/api/v1/orgs/{org}/projects/{project}/catalog"


class FeedItem(msgspec.Struct, frozen=True, rename="camel"):
    """`products` are those that all subjects get; `isBuiltIn` says that no document defines it."""

    key: str
    algorithm: FeedAlgorithm
    is_built_in: bool
    products: int


class Catalog(msgspec.Struct, frozen=True, rename="camel"):
    """`refreshedAt` is null until the feeds were computed for the first time."""

    products: int
    refreshed_at: str | None
    refresh_took_ms: int | None
    feeds: tuple[FeedItem, ...]


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is asked but that it be done."""


class FeedQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    fields: Annotated[str, msgspec.Meta(description="Names of fields, separated by commas.")] = ""
    limit: (
        Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT, description="That of the feed without it.")]
        | None
    ) = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)] = 0
    product_id: Annotated[str, msgspec.Meta(description="What is looked at is left out.")] = ""
    subject: Annotated[str, msgspec.Meta(description="Whose products of late are meant.")] = ""


class FeedProducts(msgspec.Struct, frozen=True):
    products: tuple[dict[str, msgspec.Raw], ...]


def show_catalog(call: Call[Any]) -> Outcome:
    return Outcome(_catalog(call))


def refresh(call: Call[Refresh]) -> Outcome:
    call.services.decisions.refresh()  # the feeds as they are defined by now
    call.services.feeds.refresh_now(call.tenant.id)
    return Outcome(_catalog(call))


def products(call: Call[FeedQuery]) -> Outcome:
    call.services.decisions.refresh()
    call.services.feeds.follow()
    return Outcome(FeedProducts(tuple(asyncio.run(_products(call)))))


async def _products(call: Call[FeedQuery]) -> list[dict[str, Any]]:
    asked, profile = call.asked, None
    if asked.subject:
        profile = await _profile_of(call, asked.subject)
    return await call.services.feeds.products(
        call.tenant.id,
        call.path["key"],
        profile,
        fields=[each for each in asked.fields.split(",") if each],
        limit=asked.limit,
        offset=asked.offset,
        product_id=asked.product_id or None,
    )


async def _profile_of(call: Call[Any], subject: str) -> Profile | None:
    return await call.services.profiles.find(call.tenant.id, (subject_identifier(subject),))


def _catalog(call: Call[Any]) -> Catalog:
    feeds = call.services.feeds
    call.services.decisions.refresh()
    feeds.follow()
    with feeds.store.reading() as connection:
        row = read_catalogs(connection).get(call.tenant.id)
        count = count_products(connection, call.tenant.id)
    is_refreshed = row is not None and row.results_no > 0
    lengths = feeds.lengths(call.tenant.id)
    defined = feeds.defined(call.tenant.id)
    return Catalog(
        count,
        written(row.refreshed_at_ms) if row is not None and is_refreshed else None,
        row.refresh_took_ms if row is not None and is_refreshed else None,
        tuple(
            FeedItem(key, feed.algorithm, feed is BUILT_IN.get(key), lengths.get(key, 0))
            for key, feed in sorted(defined.items())
        ),
    )


ROUTES: Final = (
    read(
        _CATALOG,
        "How many products there are, and what feeds are made of them",
        Scope.READ,
        show_catalog,
        {200: Answer("The catalog.", (Catalog,))},
    ),
    ask(
        _CATALOG + "/refresh",
        "Compute the feeds of a project now",
        Scope.WRITE,
        refresh,
        {200: Answer("The catalog, as it is now.", (Catalog,))},
        request=Refresh,
        errors=(409,),
    ),
    read(
        "/api/v1/orgs/{org}/projects/{project}/feeds/{key}/products",
        "Show the products of a feed, as a subject would get them",
        Scope.READ,
        products,
        {200: Answer("The products.", (FeedProducts,))},
        query=FeedQuery,
    ),
)
