"""Which files an event log has."""

from contextlib import closing
from pathlib import Path

from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.opening import open_read_only

_FILES = "worker-*.sqlite"
_SET_ASIDE = "worker-*.corrupt-*"


def worker_files(directory: Path) -> list[Path]:
    return sorted(directory.glob(_FILES))


def files_set_aside(directory: Path) -> list[Path]:
    """What was found damaged and renamed."""
    return sorted(directory.glob(_SET_ASIDE))


def bring_up_to_date(path: Path) -> None:
    """Of a file whose slot is ours."""
    LogFile(path).close()


def schema_of(path: Path) -> int:
    """The number of the schema of a file. Raises sqlite3.Error."""
    with closing(open_read_only(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
