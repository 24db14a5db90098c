"""The products that feeds recommend."""

from typing import Annotated, Any, Final

import msgspec

from fairlot.http.management import (
    Call,
    Outcome,
    Page,
    Paging,
    page_of,
    position_after,
    read,
    write,
)
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.audit import record
from fairlot.service.feeds import UnknownProduct, read_product
from fairlot.service.feeds.incoming import MAX_PRODUCT_BYTES
from fairlot.store.profiles.products import (
    Kept,
    ProductRow,
    find_product,
    page_of_products,
)

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/products"
_ONE: Final = _PATH + "/{product}"
MOST_AT_ONCE: Final = 1_000
MOST_BYTES: Final = 8 * 1024 * 1024


class PutProducts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each takes the place of the one with its `id`, as a whole; of two with one id the last
    stays."""

    products: Annotated[
        tuple[msgspec.Raw, ...],
        msgspec.Meta(
            max_length=MOST_AT_ONCE,
            description='JSON objects with an `id`, or `{"product": {...}}` around them.',
        ),
    ]


class PutOutcome(msgspec.Struct, frozen=True):
    """The others were there already as they are."""

    added: int
    changed: int


class ProductItem(msgspec.Struct, frozen=True, rename="camel"):
    """`product` is the JSON as it came."""

    id: str
    created_at: str
    updated_at: str
    product: msgspec.Raw


def list_products(call: Call[Paging]) -> Outcome:
    position = position_after(call)
    after = None if position is None else str(position[0])
    with call.services.feeds.store.reading() as connection:
        rows = page_of_products(connection, call.tenant.id, after, call.asked.limit + 1)
    return page_of(call, rows, lambda row: (row.product_id,), _item)


def show(call: Call[Any]) -> Outcome:
    return Outcome(_item(_there(call)))


def put_many(call: Call[PutProducts]) -> Outcome:
    incoming = [read_product(text, index) for index, text in enumerate(call.asked.products)]
    kept = call.services.feeds.put_now(call.tenant.id, incoming)
    _record(call, "products.put", None, kept)
    return Outcome(PutOutcome(*kept))


def put(call: Call[None]) -> Outcome:
    incoming = read_product(call.body, 0, call.path["product"])
    kept = call.services.feeds.put_now(call.tenant.id, [incoming])
    _record(call, "products.put", incoming.product_id, kept)
    return Outcome(_item(_there(call)), 201 if kept.added else 200)


def remove(call: Call[None]) -> Outcome:
    product_id = call.path["product"]
    if not call.services.feeds.remove_now(call.tenant.id, product_id):
        raise UnknownProduct(product_id)
    _record(call, "products.delete", product_id, None)
    return Outcome(status=204)


def _record(call: Call[Any], action: str, product_id: str | None, kept: Kept | None) -> None:
    record(
        call.connection,
        call.organization.id,
        call.actor,
        action,
        now_ms=call.now_ms,
        project=call.tenant.key,
        target=None if product_id is None else f"product:{product_id}",
        details={} if kept is None else kept._asdict(),
    )


def _there(call: Call[Any]) -> ProductRow:
    product_id = call.path["product"]
    with call.services.feeds.store.reading() as connection:
        found = find_product(connection, call.tenant.id, product_id)
    if found is None:
        raise UnknownProduct(product_id)
    return found


def _item(row: ProductRow) -> ProductItem:
    return ProductItem(
        row.product_id,
        written(row.created_at_ms),
        written(row.updated_at_ms),
        msgspec.Raw(row.body),
    )


ROUTES: Final = (
    read(
        _PATH,
        "List the products of a project, by id",
        Scope.READ,
        list_products,
        {200: Answer("One page.", (Page[ProductItem],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH,
        f"Put products into the catalog, {MOST_AT_ONCE:,} at most",
        Scope.WRITE,
        put_many,
        {200: Answer("How many are new, and how many are changed.", (PutOutcome,))},
        request=PutProducts,
        body_limit=MOST_BYTES,
    ),
    read(
        _ONE,
        "Show a product",
        Scope.READ,
        show,
        {200: Answer("The product.", (ProductItem,))},
    ),
    write(
        "PUT",
        _ONE,
        "Put a product into the catalog",
        Scope.WRITE,
        put,
        {
            200: Answer("The product, as it is now.", (ProductItem,)),
            201: Answer("It is new.", (ProductItem,)),
        },
        text="The product: a JSON object. Without an `id` it gets that of the path.",
        body_limit=MAX_PRODUCT_BYTES + 1024,
    ),
    write(
        "DELETE",
        _ONE,
        "Delete a product",
        Scope.WRITE,
        remove,
        {204: Answer("It is gone.", media=None)},
    ),
)
