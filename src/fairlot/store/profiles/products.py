"""Products, and what happened to them, as rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Exists,
    Float,
    FromClause,
    Integer,
    MetaData,
    Table,
    bindparam,
    column,
    exists,
    func,
    select,
    tuple_,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from fairlot.store.profiles.catalogs import next_product_change
from fairlot.store.profiles.statements import Listing
from fairlot.store.profiles.tables import product_days, products

_IDS_AT_ONCE: Final = 500
_NEWEST_AT_ONCE: Final = 2_000
_INSERTS: Final[Mapping[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


_STATES: Final = Listing(
    lambda ids: select(products.c.product_id, products.c.body, products.c.created_at_ms).where(
        products.c.project_id == bindparam("project"), products.c.product_id.in_(ids)
    ),
    "project",
)


class ProductRow(NamedTuple):
    """`body` is the JSON of the product as it came."""

    product_id: str
    body: bytes
    created_at_ms: int
    updated_at_ms: int


class Kept(NamedTuple):
    """How many products are new, and how many are no longer what they were."""

    added: int
    changed: int


class DayCounts(NamedTuple):
    views: int = 0
    carts: int = 0
    orders: int = 0


class Weights(NamedTuple):
    view: float
    cart: float
    order: float


def put_products(
    connection: Connection, project_id: str, bodies: Mapping[str, bytes], now_ms: int
) -> Kept:
    """By product id. What is there already as it is stays as it was."""
    there = {
        product_id: (body, created_at_ms)
        for product_id, (body, created_at_ms) in _states(connection, project_id, bodies)
        if body is not None
    }
    changed = [each for each in bodies if each not in there or there[each][0] != bodies[each]]
    if not changed:
        return Kept(0, 0)
    change_no = next_product_change(connection, project_id)
    rows = [
        {
            "project_id": project_id,
            "product_id": each,
            "body": bodies[each],
            "created_at_ms": there[each][1] if each in there else now_ms,
            "updated_at_ms": now_ms,
            "change_no": change_no,
        }
        for each in changed
    ]
    insert = _INSERTS[connection.dialect.name](products)
    taken = ("body", "created_at_ms", "updated_at_ms", "change_no")
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["project_id", "product_id"],
            set_={name: insert.excluded[name] for name in taken},
        ),
        rows,
    )
    added = sum(1 for each in changed if each not in there)
    return Kept(added, len(changed) - added)


def remove_product(connection: Connection, project_id: str, product_id: str, now_ms: int) -> bool:
    """Whether it was there. What happened to it stays counted, in case it comes back."""
    is_it = (
        products.c.project_id == project_id,
        products.c.product_id == product_id,
        products.c.body.is_not(None),
    )
    if connection.execute(select(products.c.product_id).where(*is_it)).first() is None:
        return False
    change_no = next_product_change(connection, project_id)
    connection.execute(
        products.update().where(*is_it).values(body=None, updated_at_ms=now_ms, change_no=change_no)
    )
    return True


def find_product(connection: Connection, project_id: str, product_id: str) -> ProductRow | None:
    found = connection.execute(
        _rows_of(project_id).where(products.c.product_id == product_id)
    ).first()
    return None if found is None else ProductRow(*found)


def page_of_products(
    connection: Connection, project_id: str, after: str | None, limit: int
) -> list[ProductRow]:
    """In the order of their ids, as the database orders texts."""
    query = _rows_of(project_id).order_by(products.c.product_id).limit(limit)
    if after is not None:
        query = query.where(products.c.product_id > after)
    return [ProductRow(*row) for row in connection.execute(query)]


def count_products(connection: Connection, project_id: str) -> int:
    query = select(func.count()).where(
        products.c.project_id == project_id, products.c.body.is_not(None)
    )
    return connection.execute(query).scalar_one()


def read_bodies(
    connection: Connection, project_id: str, product_ids: Iterable[str]
) -> dict[str, bytes]:
    """Of those that are there."""
    return {
        product_id: body
        for product_id, (body, _) in _states(connection, project_id, product_ids)
        if body is not None
    }


def changed_products(connection: Connection, project_id: str, change_no: int) -> list[str]:
    """The ids of those that were written or deleted after that change."""
    query = select(products.c.product_id).where(
        products.c.project_id == project_id, products.c.change_no > change_no
    )
    return list(connection.execute(query).scalars())


def newest_products(connection: Connection, project_id: str) -> Iterator[str]:
    """The ids of all, the last to come first; read as they are asked for."""
    place = tuple_(products.c.created_at_ms, products.c.product_id)
    first = (
        select(products.c.product_id, products.c.created_at_ms)
        .where(products.c.project_id == project_id, products.c.body.is_not(None))
        .order_by(products.c.created_at_ms.desc(), products.c.product_id.desc())
        .limit(_NEWEST_AT_ONCE)
    )
    query = first
    while rows := connection.execute(query).fetchall():
        yield from (product_id for product_id, _ in rows)
        last_id, last_created_at_ms = rows[-1]
        query = first.where(place < tuple_(last_created_at_ms, last_id))


def add_day_counts(
    connection: Connection, project_id: str, counts: Mapping[tuple[str, int], DayCounts]
) -> None:
    """By product id and day."""
    if not counts:
        return
    insert = _INSERTS[connection.dialect.name](product_days)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["project_id", "product_id", "day"],
            set_={name: product_days.c[name] + insert.excluded[name] for name in DayCounts._fields},
        ),
        [
            {"project_id": project_id, "product_id": key[0], "day": key[1], **each._asdict()}
            for key, each in sorted(counts.items())
        ],
    )


def popular_products(
    connection: Connection, project_id: str, weights: Weights, factors: Mapping[int, float]
) -> list[str]:
    """The ids of those that something happened to, the most popular first: the weighted counts of
    each day, times the factor of that day; days without one count nothing. Also of products that
    are not known."""
    if not factors:
        return []
    decay = _DECAYS[connection.dialect.name](connection, factors)
    counted = (
        product_days.c.views * weights.view
        + product_days.c.carts * weights.cart
        + product_days.c.orders * weights.order
    )
    query = (
        select(product_days.c.product_id, func.sum(counted * decay.c.factor).label("score"))
        .join(decay, decay.c.day == product_days.c.day)
        .where(product_days.c.project_id == project_id)
        .group_by(product_days.c.product_id)
    )
    # Rounded, since databases may add up in another order.
    rows = connection.execute(query).fetchall()
    scores = [(-round(score, 9), product_id) for product_id, score in rows]
    return [product_id for score, product_id in sorted(scores) if score < 0]


def _decay_as_table(connection: Connection, factors: Mapping[int, float]) -> FromClause:
    """With its days as keys: SQLite looks through a list for every row."""
    connection.execute(CreateTable(_decay, if_not_exists=True))
    connection.execute(_decay.delete())
    connection.execute(
        _decay.insert(), [{"day": day, "factor": each} for day, each in factors.items()]
    )
    return _decay


def _decay_as_list(_connection: Connection, factors: Mapping[int, float]) -> FromClause:
    """PostgreSQL hashes it, and makes no table in a transaction that only reads."""
    columns = column("day", Integer), column("factor", Float)
    return values(*columns, name="given").data(sorted(factors.items())).cte("decay")


_DECAYS: Final[Mapping[str, Callable[[Connection, Mapping[int, float]], FromClause]]] = {
    "sqlite": _decay_as_table,
    "postgresql": _decay_as_list,
}
_decay: Final = Table(
    "decay",
    MetaData(schema="temp"),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("factor", Float, nullable=False),
)


class Horizon(NamedTuple):
    """What happened before `day` is forgotten; before `unknown_day`, of products that are not
    known; and products that were deleted before `deleted_ms` themselves."""

    day: int
    unknown_day: int
    deleted_ms: int


def forgettable(connection: Connection, project_id: str, horizon: Horizon) -> list[str]:
    """The ids of the products that have days to forget. Reads in the order of the key: nothing has
    to be sorted, and products are looked up once and not for every day."""
    days = product_days.c
    query = (
        select(days.product_id, func.min(days.day), _is_known())
        .where(days.project_id == project_id)
        .group_by(days.project_id, days.product_id)
    )
    return [
        product_id
        for product_id, earliest, is_known in connection.execute(query).fetchall()
        if earliest < (horizon.day if is_known else horizon.unknown_day)
    ]


def forget_days(
    connection: Connection, project_id: str, horizon: Horizon, product_ids: Iterable[str]
) -> None:
    """Of so few products as make no writer wait for long."""
    days = product_days.c
    is_old_and_unknown = (days.day < horizon.unknown_day) & ~_is_known()
    connection.execute(
        product_days.delete().where(
            days.project_id == project_id,
            days.product_id.in_(list(product_ids)),
            (days.day < horizon.day) | is_old_and_unknown,
        )
    )


def forget_deleted(connection: Connection, project_id: str, horizon: Horizon) -> None:
    known = products.c
    is_old = (known.body.is_(None), known.updated_at_ms < horizon.deleted_ms)
    connection.execute(products.delete().where(known.project_id == project_id, *is_old))


def _is_known() -> Exists:
    """Whether the product of a day is there."""
    days, known = product_days.c, products.c
    return exists().where(
        known.project_id == days.project_id,
        known.product_id == days.product_id,
        known.body.is_not(None),
    )


def _rows_of(project_id: str) -> Any:
    return select(
        products.c.product_id,
        products.c.body,
        products.c.created_at_ms,
        products.c.updated_at_ms,
    ).where(products.c.project_id == project_id, products.c.body.is_not(None))


def _states(
    connection: Connection, project_id: str, product_ids: Iterable[str]
) -> Iterator[tuple[str, tuple[bytes | None, int]]]:
    """The body and the creation of each that is or was there."""
    for product_id, body, created_at_ms in _STATES.rows(connection, product_ids, project_id):
        yield product_id, (body, created_at_ms)


def batched_ids(product_ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """So many at once as a statement takes."""
    rest = iter(product_ids)
    while some := tuple(islice(rest, _IDS_AT_ONCE)):
        yield some
