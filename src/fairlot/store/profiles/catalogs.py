"""The catalog of each project: what changed last, who refreshes its feeds, and what came of it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from fairlot.store.profiles.tables import catalogs, feed_results

_NEW: Final[Mapping[str, Any]] = {
    "change_no": 0,
    "results_no": 0,
    "refreshed_at_ms": 0,
    "refresh_took_ms": 0,
    "lease_until_ms": 0,
}


class CatalogRow(NamedTuple):
    """`change_no` is of its products, `results_no` of the results of its feeds; 0 is none yet."""

    project_id: str
    change_no: int
    results_no: int
    refreshed_at_ms: int
    refresh_took_ms: int


class FeedResultRow(NamedTuple):
    """`digest` tells the definition that it was made for, `body` is JSON."""

    feed_key: str
    digest: str
    body: bytes


def read_catalogs(connection: Connection) -> dict[str, CatalogRow]:
    """By project id."""
    columns = [catalogs.c[name] for name in CatalogRow._fields]
    rows = (CatalogRow(*row) for row in connection.execute(select(*columns)))
    return {row.project_id: row for row in rows}


def next_product_change(connection: Connection, project_id: str) -> int:
    """The number of a change of products, higher than all before. Makes the catalog."""
    where = catalogs.c.project_id == project_id
    raised = catalogs.update().where(where).values(change_no=catalogs.c.change_no + 1)
    if connection.execute(raised).rowcount == 0:
        connection.execute(catalogs.insert().values(project_id=project_id, **_NEW))
        connection.execute(raised)
    number: int = connection.execute(select(catalogs.c.change_no).where(where)).scalar_one()
    return number


def take_lease(
    connection: Connection,
    project_id: str,
    holder: str,
    *,
    now_ms: int,
    until_ms: int,
    results_no: int | None = None,
) -> bool:
    """Whether `holder` has it now, and nobody else. With `results_no` only while the results are
    those. False without a catalog."""
    where = [catalogs.c.project_id == project_id, catalogs.c.lease_until_ms <= now_ms]
    if results_no is not None:
        where.append(catalogs.c.results_no == results_no)
    lease = {"lease_holder": holder, "lease_until_ms": until_ms}
    return connection.execute(catalogs.update().where(*where).values(**lease)).rowcount == 1


def renew_lease(connection: Connection, project_id: str, holder: str, until_ms: int) -> bool:
    """Whether `holder` still had it."""
    renewed = (
        catalogs.update()
        .where(catalogs.c.project_id == project_id, catalogs.c.lease_holder == holder)
        .values(lease_until_ms=until_ms)
    )
    return connection.execute(renewed).rowcount == 1


def return_lease(connection: Connection, project_id: str, holder: str) -> None:
    connection.execute(
        catalogs.update()
        .where(catalogs.c.project_id == project_id, catalogs.c.lease_holder == holder)
        .values(lease_holder=None, lease_until_ms=0)
    )


def write_results(
    connection: Connection,
    project_id: str,
    holder: str,
    results: Iterable[FeedResultRow],
    *,
    began_at_ms: int,
    took_ms: int,
) -> bool:
    """In place of all that were there, and return the lease; nothing once another has it."""
    written = connection.execute(
        catalogs.update()
        .where(catalogs.c.project_id == project_id, catalogs.c.lease_holder == holder)
        .values(
            results_no=catalogs.c.results_no + 1,
            refreshed_at_ms=began_at_ms,
            refresh_took_ms=took_ms,
            lease_holder=None,
            lease_until_ms=0,
        )
    )
    if written.rowcount == 0:
        return False
    connection.execute(feed_results.delete().where(feed_results.c.project_id == project_id))
    rows = [{"project_id": project_id, **each._asdict()} for each in results]
    if rows:
        connection.execute(feed_results.insert(), rows)
    return True


def read_results(connection: Connection, project_id: str) -> dict[str, FeedResultRow]:
    """By feed key."""
    columns = [feed_results.c[name] for name in FeedResultRow._fields]
    query = select(*columns).where(feed_results.c.project_id == project_id)
    return {row.feed_key: FeedResultRow(*row) for row in connection.execute(query)}


def result_digests(connection: Connection) -> dict[str, dict[str, str]]:
    """By project id and feed key."""
    found: dict[str, dict[str, str]] = {}
    columns = (feed_results.c.project_id, feed_results.c.feed_key, feed_results.c.digest)
    for row in connection.execute(select(*columns)):
        found.setdefault(row.project_id, {})[row.feed_key] = row.digest
    return found
