"""One SQLite file of the event log: its schema, its damage, and one transaction a batch.

Many rows go into one statement: SQLite gives up the interpreter lock at every statement, and
getting it back from a busy event loop costs more than the row.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fairlot.events import Assignment, Exposure
from fairlot.warehouse.answers import SCHEMA as ANSWERS_SCHEMA
from fairlot.warehouse.answers import AnswerRuns
from fairlot.warehouse.errors import UnusableLogFile

SCHEMA_STEPS = (
    """
    CREATE TABLE exposures (
        seq INTEGER PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        experiment_key TEXT NOT NULL,
        received_at_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    """,
    ANSWERS_SCHEMA,
)
_PAGE_BYTES = 8192
_WAL_PAGES_BEFORE_CHECKPOINT = 1000
_WAL_LIMIT_BYTES = 64 << 20
_CHECKED_WHOLE_UP_TO_BYTES = 64 << 20
_ROWS_PER_STATEMENT = 64
_BUSY_TIMEOUT_S = 5.0
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_INSERT_EXPOSURES = (
    "INSERT OR IGNORE INTO exposures (event_id, experiment_key, received_at_ms, body)"
)

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class LogFile:
    """The file that one worker writes. A damaged one is renamed aside, never deleted.

    `max_pages` caps the file at that many pages of 8 KiB; beyond it commits fail as on a full disk.
    """

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        self.path = path
        self.max_pages = max_pages
        self._connection = self._open_sound()
        self._answers = AnswerRuns(self._connection)
        self._inode = path.stat().st_ino

    def append(self, exposures: Sequence[Exposure], assignments: Sequence[Assignment]) -> None:
        """Commit all or nothing; a known event id, or the same answer again, changes nothing."""
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(self.path)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            _insert_exposures(connection, exposures)
            self._answers.add(assignments)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._answers = AnswerRuns(connection)
            raise

    def reopen(self, *, damaged: bool) -> None:
        """Start over after a failed commit; raises what opening raises."""
        self._connection.close()
        if damaged:
            _set_aside(self.path, "a commit found it damaged")
        self._connection = self._open_sound()
        self._answers = AnswerRuns(self._connection)
        self._inode = self.path.stat().st_ino

    def check_open(self) -> None:
        """Raise what a broken connection raises."""
        self._connection.execute("SELECT 1")

    def close(self) -> None:
        self._connection.close()

    def _open_sound(self) -> sqlite3.Connection:
        try:
            return _open(self.path, self.max_pages)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            _set_aside(self.path, str(error))
        return _open(self.path, self.max_pages)


def is_damage(error: BaseException) -> bool:
    return (
        isinstance(error, sqlite3.DatabaseError)
        and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
    )


def _open(path: Path, max_pages: int | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=3 * _ROWS_PER_STATEMENT,
    )
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_BEFORE_CHECKPOINT}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        _check_whole(connection, path)
        _bring_up_to_date(connection, path)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite itself refuses a bad header or a missing tail; a small file is also read through."""
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if path.stat().st_size > _CHECKED_WHOLE_UP_TO_BYTES:
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        damage = sqlite3.DatabaseError(verdict)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(SCHEMA_STEPS):
        raise UnusableLogFile(
            path,
            f"schema {version} is newer than this version of Fairlot knows ({len(SCHEMA_STEPS)});"
            " run the newer version, or move the file away",
        )
    for number, step in enumerate(SCHEMA_STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")


def _set_aside(path: Path, problem: str) -> None:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.stem}.corrupt-{moment}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _log.error("event_log.file_damaged", file=str(path), kept_as=str(aside), problem=problem)


def _insert_exposures(connection: sqlite3.Connection, exposures: Sequence[Exposure]) -> None:
    for start in range(0, len(exposures), _ROWS_PER_STATEMENT):
        some = exposures[start : start + _ROWS_PER_STATEMENT]
        values: list[Any] = []
        for one in some:
            values += (one.event_id, one.experiment_key, one.received_at_ms, _encode(one))
        connection.execute(_insert_statement(len(some)), values)


@lru_cache(maxsize=_ROWS_PER_STATEMENT)
def _insert_statement(rows: int) -> str:
    return f"{_INSERT_EXPOSURES} VALUES {', '.join(['(?,?,?,?)'] * rows)}"
