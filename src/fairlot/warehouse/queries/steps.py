"""The steps of a query: common table expressions with names that say what they hold.

Each is compiled by itself: what is read twice, Ibis would write twice, and it is computed twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import ibis
from ibis.expr.operations import Relation
from ibis.expr.types import Table

from fairlot.warehouse.queries.dialects import Dialect

_PREFIX: Final = "fairlot_"
_KEPT: Final = 128


@dataclass(frozen=True, slots=True)
class Statement:
    """The steps by their names in SQL, in the order in which they need each other; the query that
    reads them; the names of the columns of its rows; and all of it as one query."""

    steps: Mapping[str, str]
    last: str
    columns: tuple[str, ...]
    sql: str


def without(rows: Table, *names: str) -> Table:
    """The rows without some columns. Ibis keeps what it drops in a set, whose order differs from
    process to process."""
    return rows.select(*(name for name in rows.columns if name not in names))


class Steps:
    """The steps so far, in the SQL of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._definitions: dict[str, str] = {}

    def written(self, name: str, columns: Mapping[str, Any], sql: str) -> Table:
        """A step that is SQL already; `columns` are the types that it gives."""
        self._definitions[_PREFIX + name] = sql
        return ibis.table(dict(columns), name=_PREFIX + name)

    def step(self, name: str, rows: Table) -> Table:
        """A step that later ones may read several times."""
        self._definitions[_PREFIX + name] = self._compiled(rows)
        return ibis.table(rows.schema(), name=_PREFIX + name)

    def hashed(self, name: str, rows: Table, column: str, hashed: str) -> Table:
        """A step that adds a hash of a text column to a step."""
        to = self.dialect
        sql = f"SELECT *, {to.hashed(to.quoted(column))} AS {to.quoted(hashed)}"
        source = to.quoted(rows.get_name())
        return self.written(name, {**rows.schema(), hashed: "int64"}, f"{sql} FROM {source}")

    def finished(self, rows: Table) -> Statement:
        """The whole query, whose last step gives `rows`."""
        to = self.dialect
        listed = ", ".join(
            f"{to.quoted(name)} AS {to.materialized}(\n{sql}\n)"
            for name, sql in self._definitions.items()
        )
        last = self._compiled(rows)
        following = f", {last[5:]}" if last.startswith("WITH ") else f"\n{last}"
        return Statement(
            dict(self._definitions), last, rows.columns, f"WITH {listed}{following}{to.settings}"
        )

    def _compiled(self, rows: Table) -> str:
        return _sql_of(rows.op(), self.dialect.ibis)


@lru_cache(_KEPT)
def _sql_of(rows: Relation, dialect: str) -> str:
    """Equal expressions are compiled once: most steps hold no moment but the start, so they are the
    same in the next question about an experiment, so far and with caps, and in the second statement
    of quantiles."""
    return str(ibis.to_sql(rows.to_expr(), dialect=dialect))
