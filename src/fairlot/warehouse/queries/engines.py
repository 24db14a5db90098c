"""Who runs the SQL: each engine by its own driver, and no data frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from fairlot.warehouse.queries.errors import QueryFailed, postgres_problem
from fairlot.warehouse.queries.steps import Statement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from psycopg import Connection
    from pyspark.sql import SparkSession

Row = tuple[Any, ...]
_LONGER: Final = (
    "ask again, or give it longer: set statement_timeout for the connection, in a URL by"
    " ?options=-cstatement_timeout%3D10min"
)


class Engine(Protocol):
    """Where relations `exposures`, `conversions` and `identities` with the public columns are.

    `may_repeat`: events may be there more than once, so that the query has to tell them by their
    `event_id`. `fetch` runs SQL as it stands, `run` the steps of a statement as is best for the
    engine; both raise QueryFailed.
    """

    @property
    def dialect(self) -> str: ...

    @property
    def may_repeat(self) -> bool: ...

    def fetch(self, sql: str) -> list[Row]: ...

    def run(self, statement: Statement) -> list[Row]: ...


class DuckDbEngine:
    """A lake has each event once already, which the query then need not see to."""

    dialect = "duckdb"

    def __init__(self, connection: "DuckDBPyConnection", *, may_repeat: bool = False) -> None:
        self.may_repeat = may_repeat
        self._connection = connection

    def fetch(self, sql: str) -> list[Row]:
        import duckdb

        try:
            if len(self._connection.extract_statements(sql)) > 1:
                raise QueryFailed("DuckDB", "it is more than one statement")
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise QueryFailed("DuckDB", str(error)) from error

    def run(self, statement: Statement) -> list[Row]:
        return self.fetch(statement.sql)


class PostgresEngine:
    """The relations are found by the connection's `search_path`.

    Of what steps give PostgreSQL knows nothing: it expects one row and joins in loops, which take
    hours where there are a million; and it compiles expressions for longer than they run.
    """

    dialect = "postgres"
    may_repeat = True

    def __init__(self, connection: "Connection[Row]") -> None:
        self._connection = connection

    def fetch(self, sql: str) -> list[Row]:
        import psycopg

        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL jit = off")
                # binary results come by the protocol that takes a single statement
                return cursor.execute(sql.encode(), binary=True).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise QueryFailed("PostgreSQL", postgres_problem(error), _LONGER) from None
        except psycopg.Error as error:
            raise QueryFailed("PostgreSQL", postgres_problem(error)) from None

    def run(self, statement: Statement) -> list[Row]:
        return self.fetch(statement.sql)


class SparkEngine:
    """Also Databricks, by a session that is connected to it.

    Spark computes a step again for each that reads it, so `run` keeps them as cached views, which
    are gone afterwards. One statement at a time in a session.
    """

    dialect = "spark"
    may_repeat = True

    def __init__(self, session: "SparkSession") -> None:
        self._session = session

    def fetch(self, sql: str) -> list[Row]:
        with _spark_failures():
            return [tuple(row) for row in self._session.sql(sql).collect()]

    def run(self, statement: Statement) -> list[Row]:
        catalog = self._session.catalog
        read = " ".join([*statement.steps.values(), statement.last])
        try:
            with _spark_failures():
                for name, sql in statement.steps.items():
                    self._session.sql(sql).createOrReplaceTempView(name)
                    if read.count(f"`{name}`") > 1:
                        catalog.cacheTable(name)
            return self.fetch(statement.last)
        finally:
            with _spark_failures():
                for name in reversed(list(statement.steps)):
                    catalog.dropTempView(name)  # and what is cached of it


@contextmanager
def _spark_failures() -> Iterator[None]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise QueryFailed("Spark", str(error)) from error
