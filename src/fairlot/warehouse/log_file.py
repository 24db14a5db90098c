"""One SQLite file of the event log: its schema, its damage, and one transaction a batch.

Many rows go into one statement: SQLite gives up the interpreter lock at every statement, and
getting it back from a busy event loop costs more than the row.
"""

import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from fairlot.events import Assignment, Conversion, Exposure, Identity, ReceivedBatch
from fairlot.logs import get_logger
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.schema import SCHEMA_STEPS, WITHOUT_TRACES
from fairlot.warehouse.turns import Pause, begin

_PAGE_BYTES = 4096
_CACHE_KIB = 16 << 10
# 32 MiB: a page that changes often is copied once for all of it. A fifth less than at 2,000 pages.
WAL_PAGES_BEFORE_CHECKPOINT = 8000
_WAL_LIMIT_BYTES = 64 << 20
_CHECKED_WHOLE_UP_TO_BYTES = 64 << 20
_ROWS_PER_STATEMENT = 64
# one for each number of rows into each of four tables, and some
_STATEMENTS_KEPT = 5 * _ROWS_PER_STATEMENT
_BUSY_TIMEOUT_S = 5.0
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_EXPOSURE_COLUMNS = "event_id, project_id, experiment_key, received_at_ms, body"
_CONVERSION_COLUMNS = "event_id, project_id, event_name, received_at_ms, body"
_IDENTITY_COLUMNS = "event_id, project_id, received_at_ms, body"
_ASSIGNMENT_COLUMNS = (
    "experiment_id, unit_id, experiment_key, variant_key, manifest_version, assigned_at_ms"
)
_KNOWN_EVENT_STAYS = "ON CONFLICT (event_id, project_id) DO NOTHING"
_OTHER_VARIANT_REPLACES = (
    "ON CONFLICT DO UPDATE SET variant_key = excluded.variant_key,"
    " manifest_version = excluded.manifest_version, assigned_at_ms = excluded.assigned_at_ms"
    " WHERE variant_key <> excluded.variant_key"
)
_NOTE_BATCH = (
    "INSERT INTO batches (project_id, sender_id, batch_seq, sent, rejected, events_before,"
    " dropped_total, source, received_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET times = times + 1,"
    " dropped_total = max(dropped_total, excluded.dropped_total),"
    " received_at_ms = max(received_at_ms, excluded.received_at_ms) RETURNING times"
)

_log = get_logger()
_encode = msgspec.json.Encoder().encode


class LogFile:
    """The file that one worker writes. A damaged one is renamed aside, never deleted.

    `max_pages` caps the file at that many pages of 4 KiB; beyond it commits fail as on a full disk.
    """

    def __init__(self, path: Path, max_pages: int | None = None, pause: Pause = time.sleep) -> None:
        self.path = path
        self.max_pages = max_pages
        self._pause = pause
        self._connection = self._open_sound()
        self._inode = path.stat().st_ino

    def append(
        self,
        exposures: Sequence[Exposure],
        assignments: Sequence[Assignment],
        batches: Sequence[ReceivedBatch] = (),
    ) -> int:
        """Commit all or nothing; how many of the batches were known.

        An event id that its project has already, or the same answer again, changes nothing.
        """
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(self.path)
        connection = self._connection
        begin(connection, pause=self._pause)
        try:
            _insert_exposures(connection, exposures)
            _insert_assignments(connection, assignments)
            repeated = _insert_batches(connection, batches) if batches else 0
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return repeated

    def reopen(self, *, damaged: bool) -> None:
        """Start over after a failed commit; raises what opening raises."""
        self._connection.close()
        if damaged:
            _set_aside(self.path, "a commit found it damaged")
        self._connection = self._open_sound()
        self._inode = self.path.stat().st_ino

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
        cached_statements=_STATEMENTS_KEPT,
    )
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Else what is moved from page to page leaves copies, which no deletion would find.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        _check_whole(connection, path)
        _bring_up_to_date(connection, path)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        connection.execute("PRAGMA busy_timeout = 0")  # `begin` waits
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
    if 0 < version < WITHOUT_TRACES:
        connection.execute("VACUUM")
    for number, step in enumerate(SCHEMA_STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _set_aside(path: Path, problem: str) -> None:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.stem}.corrupt-{moment}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _log.error("event_log.file_damaged", file=str(path), kept_as=str(aside), problem=problem)


def _insert_exposures(connection: sqlite3.Connection, exposures: Sequence[Exposure]) -> None:
    rows = [
        (one.event_id, one.project_id, one.experiment_key, one.received_at_ms, _encode(one))
        for one in exposures
    ]
    _insert(connection, f"exposures ({_EXPOSURE_COLUMNS})", rows, _KNOWN_EVENT_STAYS)


def _insert_conversions(connection: sqlite3.Connection, conversions: Sequence[Conversion]) -> None:
    rows = [
        (one.event_id, one.project_id, one.event_name, one.received_at_ms, _encode(one))
        for one in conversions
    ]
    _insert(connection, f"conversions ({_CONVERSION_COLUMNS})", rows, _KNOWN_EVENT_STAYS)


def _insert_identities(connection: sqlite3.Connection, identities: Sequence[Identity]) -> None:
    rows = [(one.event_id, one.project_id, one.received_at_ms, _encode(one)) for one in identities]
    _insert(connection, f"identities ({_IDENTITY_COLUMNS})", rows, _KNOWN_EVENT_STAYS)


def _insert_batches(connection: sqlite3.Connection, batches: Sequence[ReceivedBatch]) -> int:
    _insert_exposures(connection, [one for batch in batches for one in batch.exposures])
    _insert_conversions(connection, [one for batch in batches for one in batch.conversions])
    _insert_identities(connection, [one for batch in batches for one in batch.identities])
    return sum(_insert_batch(connection, batch) for batch in batches if batch.is_numbered)


def _insert_batch(connection: sqlite3.Connection, batch: ReceivedBatch) -> bool:
    """Note that it was received; whether it had been before."""
    values = (
        batch.project_id,
        batch.sender_id,
        batch.batch_seq,
        batch.sent,
        batch.rejected,
        batch.events_before,
        batch.dropped_total,
        batch.source,
        batch.received_at_ms,
    )
    (times,) = connection.execute(_NOTE_BATCH, values).fetchone()
    return bool(times > 1)


def _insert_assignments(connection: sqlite3.Connection, assignments: Sequence[Assignment]) -> None:
    rows = [
        (
            one.experiment_id,
            one.unit_id,
            one.experiment_key,
            one.variant_key,
            one.manifest_version,
            one.assigned_at_ms,
        )
        for one in assignments
    ]
    _insert(connection, f"assignments ({_ASSIGNMENT_COLUMNS})", rows, _OTHER_VARIANT_REPLACES)


def _insert(
    connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], on_conflict: str
) -> None:
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        some = rows[start : start + _ROWS_PER_STATEMENT]
        statement = _insert_statement(into, len(some), len(some[0]), on_conflict)
        connection.execute(statement, tuple(chain.from_iterable(some)))


@lru_cache(maxsize=_STATEMENTS_KEPT)
def _insert_statement(into: str, rows: int, columns: int, on_conflict: str) -> str:
    row = f"({','.join('?' * columns)})"
    values = ",".join([row] * rows)
    return f"INSERT INTO {into} VALUES {values} {on_conflict}"  # noqa: S608 - names of ours
