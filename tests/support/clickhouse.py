"""An embedded ClickHouse, for the tests that `make test-clickhouse` runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from chdb.session import Session

from fairlot.warehouse.queries import QueryFailed
from fairlot.warehouse.queries.steps import Statement

_TYPES: Final = {
    "VARCHAR": "String",
    "BIGINT": "Int64",
    "DOUBLE PRECISION": "Float64",
    "TIMESTAMPTZ": "DateTime64(3, 'UTC')",
}
# A join that finds nothing gives their plain types an empty text, unless it is told to give null.
_NEVER_NULL: Final = {"event_id", "project_id", "subject_id", "user_id", "occurred_at"}


@contextmanager
def embedded_session() -> Iterator[Session]:
    session = Session()
    try:
        yield session
    finally:
        session.close()


class ClickHouseEngine:
    """Runs what is compiled for ClickHouse, with its settings as they are."""

    dialect = "clickhouse"
    may_repeat = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            found = self._session.query(sql, "JSONCompact")
        except RuntimeError as error:
            raise QueryFailed("ClickHouse", str(error)) from error
        return [tuple(map(_number, row)) for row in json.loads(str(found))["data"]]

    def run(self, statement: Statement) -> list[tuple[Any, ...]]:
        return self.fetch(statement.sql)


def _number(value: Any) -> Any:
    """Integers of 64 bits come as text."""
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    return value


def planted(
    session: Session,
    columns_of: Mapping[str, Mapping[str, str]],
    rows_of: Mapping[str, Sequence[Mapping[str, Any]]],
) -> ClickHouseEngine:
    for table, columns in columns_of.items():
        kinds = ", ".join(f"{name} {_type(name, kind)}" for name, kind in columns.items())
        session.query(f"CREATE OR REPLACE TABLE {table} ({kinds}) ENGINE = Memory")
        listed = "\n".join(json.dumps(dict(row), default=_instant) for row in rows_of[table])
        if listed:
            session.query(f"INSERT INTO {table} FORMAT JSONEachRow {listed}")
    return ClickHouseEngine(session)


def _type(name: str, kind: str) -> str:
    return _TYPES[kind] if name in _NEVER_NULL else f"Nullable({_TYPES[kind]})"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
