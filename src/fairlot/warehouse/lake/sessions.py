"""DuckDB, in memory: nothing is downloaded, and what it spills is removed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from fairlot.warehouse.errors import UnusableLogFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PROBLEM: Final = "DuckDB gave up ({}); see to memory and disk, then try again"


@contextmanager
def open_session(
    of: Path,
    *,
    threads: int | None = None,
    memory_limit: str | None = None,
    temp_directory: Path | None = None,
) -> Iterator["DuckDBPyConnection"]:
    """`memory_limit` as DuckDB writes it (`1GB`). What does not fit into it is spilled to a folder
    in `temp_directory`, by default the system's. What DuckDB says of anything but a wrong query
    is raised as UnusableLogFile of `of`, without its text, which may quote events."""
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
            try:
                yield connection
            except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException):
                raise
            except duckdb.Error as error:
                raise UnusableLogFile(of, _PROBLEM.format(type(error).__name__)) from None
