"""Which files an event log has."""

import re
from contextlib import closing
from pathlib import Path
from typing import Final

from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.opening import open_read_only

_FILE: Final = re.compile(r"worker-(?:0|[1-9]\d*)\.sqlite", re.ASCII)
_SET_ASIDE = "worker-*.corrupt-*"


def worker_files(directory: Path) -> list[Path]:
    """Those that a worker may write; whoever keeps a copy beside them has a copy."""
    found = directory.glob("worker-*.sqlite")
    return sorted(path for path in found if _FILE.fullmatch(path.name))


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
