"""Who runs the SQL: each engine by its own driver, and no data frames."""

from typing import TYPE_CHECKING, Any, Protocol

from fairlot.warehouse.queries.errors import QueryFailed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from psycopg import Connection
    from pyspark.sql import SparkSession

Row = tuple[Any, ...]


class Engine(Protocol):
    """Where relations `exposures`, `conversions` and `identities` with the public columns are.

    `may_repeat`: events may be there more than once, so that the query has to tell them by their
    `event_id`. `fetch` raises QueryFailed.
    """

    @property
    def dialect(self) -> str: ...

    @property
    def may_repeat(self) -> bool: ...

    def fetch(self, sql: str) -> list[Row]: ...


class DuckDbEngine:
    """A lake has each event once already, which the query then need not see to."""

    dialect = "duckdb"

    def __init__(self, connection: "DuckDBPyConnection", *, may_repeat: bool = False) -> None:
        self.may_repeat = may_repeat
        self._connection = connection

    def fetch(self, sql: str) -> list[Row]:
        import duckdb

        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise QueryFailed("DuckDB", str(error)) from error


class PostgresEngine:
    """The relations are found by the connection's `search_path`."""

    dialect = "postgres"
    may_repeat = True

    def __init__(self, connection: "Connection[Row]") -> None:
        self._connection = connection

    def fetch(self, sql: str) -> list[Row]:
        import psycopg

        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                return cursor.execute(sql.encode()).fetchall()
        except psycopg.Error as error:
            raise QueryFailed("PostgreSQL", str(error)) from error


class SparkEngine:
    """Also Databricks, by a session that is connected to it."""

    dialect = "spark"
    may_repeat = True

    def __init__(self, session: "SparkSession") -> None:
        self._session = session

    def fetch(self, sql: str) -> list[Row]:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            return [tuple(row) for row in self._session.sql(sql).collect()]
        except (PySparkException, Py4JError) as error:
            raise QueryFailed("Spark", str(error)) from error
