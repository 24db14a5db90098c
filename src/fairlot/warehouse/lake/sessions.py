"""DuckDB, in memory: nothing is downloaded, and what it spills is removed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def open_session(
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_directory: Path | None = None,
) -> Iterator["DuckDBPyConnection"]:
    """`memory_limit` as DuckDB writes it (`1GB`). What does not fit into it is spilled to a folder
    in `temp_directory`, by default the system's."""
    import duckdb  # slow to import, and few need it

    with TemporaryDirectory(prefix="fairlot-duckdb-", dir=temp_directory) as spilled:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": spilled,
        }
        if threads is not None:
            config["threads"] = str(threads)
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        with closing(duckdb.connect(":memory:", config=config)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            yield connection
