"""A PostgreSQL warehouse, opened for one result: read only, as of one moment, never for ever."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from fairlot.service.results.engines import WarehouseUnusable
from fairlot.service.results.resulting import Source
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.store.postgres_connection import BoundedConnection, place_of
from fairlot.warehouse.queries import PostgresEngine
from fairlot.warehouse.queries.errors import postgres_problem

_SERVER_SIDE: Final = {
    "statement_timeout": "90s",
    "lock_timeout": "10s",
    "work_mem": "256MB",
}
_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "fairlot",
    "client_encoding": "UTF8",
}
_LATER_THAN_THE_SERVER_S: Final = 10.0
_PAGE: Final = "docs/how-to/warehouse.md"
_TEXT, _NUMBER, _INSTANT = "text", "number", "timestamp with time zone"
_COMMON: Final = {
    "project_id": _TEXT,
    "subject_id": _TEXT,
    "occurred_at": _INSTANT,
    "actor": _TEXT,
    "trust": _TEXT,
}
_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "exposures": _COMMON
    | dict.fromkeys(("experiment_id", "experiment_key", "variant_key", "unit_id"), _TEXT)
    | dict.fromkeys(("reason", "device", "source", "sender_id", "properties"), _TEXT)
    | {"manifest_version": _NUMBER},
    "conversions": _COMMON
    | dict.fromkeys(("event_id", "event_name", "sender_id", "properties"), _TEXT)
    | {"received_at": _INSTANT, "value": _NUMBER},
    "identities": _COMMON
    | dict.fromkeys(("event_id", "user_id", "properties"), _TEXT)
    | {"received_at": _INSTANT},
}
"""Whatever else a text is stored as, PostgreSQL says itself when it cannot compare it."""
_FOUND: Final = """
    SELECT wanted, attname, format_type(atttypid, NULL), typcategory::text
    FROM unnest(%s::text[]) AS wanted
    LEFT JOIN pg_attribute
        ON attrelid = to_regclass(wanted) AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_type ON pg_type.oid = atttypid
"""
_NOT_LOOKED_FOR: Final = Finding(
    code=FindingCode.NOT_CHECKED,
    severity=Severity.NOTES,
    summary="This was read from PostgreSQL, which has neither the batches of senders nor the"
    " assignments: missing_exposures, lost_events and duplicate_batches were not looked for.",
    advice="For those ask without an engine: then it is read from the event log.",
)


@contextmanager
def open_warehouse_source(url: str, _project_id: str) -> Iterator[Source]:
    """The tables that the `search_path` finds. Raises WarehouseUnusable."""
    parameters = _parameters_of(url)
    place = place_of(parameters)
    away = partial(_away, place)
    try:
        connection = BoundedConnection.connect(**parameters)
    except psycopg.Error as error:
        raise away("cannot be opened", error) from None
    with closing(connection):  # nothing is to be committed
        try:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.within_s = _longest_statement_s(connection) + _LATER_THAN_THE_SERVER_S
            _check_tables(connection, place)
        except psycopg.Error as error:
            raise away("does not answer", error) from None
        yield Source(PostgresEngine(connection), notes=(_NOT_LOOKED_FOR,))


def _away(place: str, what: str, error: psycopg.Error) -> WarehouseUnusable:
    fix = "start the server, make the database, or correct the URL"
    return WarehouseUnusable(place, f"{what} ({postgres_problem(error)})", fix)


def _parameters_of(url: str) -> dict[str, Any]:
    """What the URL says beats what is said here. Its text is not quoted."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        fix = "write postgresql://USER:PASSWORD@HOST:5432/DATABASE, %xx for special characters"
        raise WarehouseUnusable("(not shown)", "is no URL that libpq can read", fix) from None
    ours = " ".join(f"-c {name}={value}" for name, value in _SERVER_SIDE.items())
    return {**_DEFAULTS, **given, "options": f"{ours} {given.get('options', '')}".strip()}


def _longest_statement_s(connection: BoundedConnection) -> float:
    shown = connection.execute(
        "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'"
    ).fetchone()
    longest_ms = 0 if shown is None else int(shown[0])
    return longest_ms / 1000 if longest_ms else float("inf")


def _check_tables(connection: BoundedConnection, place: str) -> None:
    """All that is missing at once: a query would name one thing after the other, and would count
    instants without a time zone as whatever zone the connection has."""
    found: dict[str, dict[str, tuple[str, str]]] = {table: {} for table in _COLUMNS}
    for table, column, kind, category in connection.execute(_FOUND, [list(_COLUMNS)]):
        if column is not None:
            found[table][column] = (kind, category)
    missing = [table for table, columns in found.items() if not columns]
    if missing:
        (path,) = connection.execute("SHOW search_path").fetchone() or ("",)
        raise WarehouseUnusable(
            place,
            f"has no table {', '.join(missing)} in its search_path ({path})",
            "make what is missing, empty where there are no such events, as"
            f" {_PAGE} has it, or name the schema in the URL: ?options=-csearch_path%3DSCHEMA",
        )
    problems = [
        problem
        for table, columns in _COLUMNS.items()
        for column, kind in columns.items()
        if (problem := _problem_of(f"{table}.{column}", kind, found[table].get(column)))
    ]
    if problems:
        fix = f"add or change the columns, or make views that have them, as in {_PAGE}"
        raise WarehouseUnusable(place, "; ".join(problems), fix)


def _problem_of(name: str, wanted: str, found: tuple[str, str] | None) -> str | None:
    if found is None:
        return f"{name} is missing (a {wanted})"
    kind, category = found
    is_right = {_INSTANT: kind == _INSTANT, _NUMBER: category == "N"}.get(wanted, True)
    return None if is_right else f"{name} is a {kind}, and has to be a {wanted}"
