"""SQLite files of the log, as those open them who only read."""

import sqlite3
from pathlib import Path
from typing import Final

_BUSY_TIMEOUT_S: Final = 5.0


def read_only_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        read_only_uri(path),
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
