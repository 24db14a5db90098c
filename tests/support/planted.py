"""The relations of a lake, filled with records, without files."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import msgspec

from fairlot.events import Conversion, Event, Exposure, Identity, event_columns

_TYPES = {"occurred_at": "TIMESTAMPTZ", "received_at": "TIMESTAMPTZ", "value": "DOUBLE"}
_INTEGERS = ("manifest_version", "hash_version", "batch_seq")


def planted(
    exposures: Sequence[Exposure] = (),
    conversions: Sequence[Conversion] = (),
    identities: Sequence[Identity] = (),
) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    plant(connection, "exposures", Exposure, exposures)
    plant(connection, "conversions", Conversion, conversions)
    plant(connection, "identities", Identity, identities)
    return connection


def plant(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    kind: type[Event],
    events: Sequence[Event],
) -> None:
    """By a file of JSON lines: bound parameters take ten times as long."""
    names = [name.removesuffix("_ms") for name in kind.__struct_fields__]
    typed = ", ".join(f"{name} {_type_of(name)}" for name in names)
    connection.execute(f"CREATE TABLE {relation} ({typed})")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"\n".join(msgspec.json.encode(_columns(event)) for event in events))
        file.flush()
        if events:
            columns = {name: _type_of(name) for name in names}
            source = f"read_json('{file.name}', format = 'newline_delimited', columns = {columns})"
            connection.execute(f"INSERT INTO {relation} SELECT * FROM {source}")  # noqa: S608


def _type_of(name: str) -> str:
    return "BIGINT" if name in _INTEGERS else _TYPES.get(name, "VARCHAR")


def _columns(event: Event) -> dict[str, Any]:
    return {name: _value(value) for name, value in event_columns(event).items()}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value
