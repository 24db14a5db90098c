"""Where a text is found: in every byte of a directory, and in every column of a database."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from fairlot.warehouse.lake.sessions import open_session

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


def traces_in(directory: Path, text: str) -> set[str]:
    """The files that hold it: databases with their free pages, write-ahead logs, shared memory,
    logs, whatever there is. What is compressed is searched as it is, and decoded; of Parquet every
    row of every column, and what the ends of the file say of them."""
    needle = text.encode()
    return {
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and any(needle in form for form in _forms(path, _content(path)))
    }


def _content(path: Path) -> bytes:
    """Nothing of a file that has gone since it was listed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def traces_in_database(url: str, text: str) -> set[str]:
    """The tables that hold it in any row, as text or in bytes."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        return {name for (name,) in tables if _is_in_table(connection, name, text)}


def _forms(path: Path, content: bytes) -> Iterator[bytes]:
    yield content
    if content.startswith(_PARQUET):
        with open_session(path) as session:
            rows = session.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
            ends = session.execute("SELECT * FROM parquet_metadata(?)", [str(path)]).fetchall()
        yield repr((rows, ends)).encode()
    if content.startswith(_GZIP):
        yield gzip.decompress(content)
    elif content[:1] == b"\x78":
        try:
            yield zlib.decompress(content)
        except zlib.error:
            return


def _is_in_table(connection: psycopg.Connection, name: str, text: str) -> bool:
    """A row as text writes bytes in hexadecimal."""
    statement = sql.SQL(
        "SELECT 1 FROM {table} AS one WHERE one::text LIKE %s OR one::text LIKE %s LIMIT 1"
    ).format(table=sql.Identifier(name))
    found = connection.execute(statement, (f"%{text}%", f"%{text.encode().hex()}%"))
    return found.fetchone() is not None
