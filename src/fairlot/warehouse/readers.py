"""Reading all workers' files of the log, while they are written."""

import heapq
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from fairlot.events import Assignment, Exposure
from fairlot.warehouse.errors import UnusableLogFile

_FILES = "worker-*.sqlite"
_BUSY_TIMEOUT_S = 5.0
_SETTLED_AFTER_S = 2.0

_CHOSEN = (
    " FROM exposures WHERE (?1 IS NULL OR experiment_key = ?1)"
    " AND (?2 IS NULL OR json_extract(CAST(body AS TEXT), '$.project_id') = ?2)"
    " AND event_id NOT IN (SELECT event_id FROM temp.repeated)"
)
_READ = "SELECT received_at_ms, body" + _CHOSEN + " ORDER BY received_at_ms, seq"
_COUNT = (
    "SELECT experiment_key, json_extract(CAST(body AS TEXT), '$.variant_key'),"
    " json_extract(CAST(body AS TEXT), '$.reason'), count(*)" + _CHOSEN + " GROUP BY 1, 2, 3"
)
_NOTE_REPEATED = (
    "INSERT OR IGNORE INTO temp.repeated"
    " SELECT event_id FROM main.exposures JOIN earlier.exposures USING (event_id)"
)
_FIND_ASSIGNMENT = (
    "SELECT experiment_id, experiment_key, unit_id, variant_key, manifest_version, assigned_at_ms"
    " FROM assignments WHERE experiment_id = ? AND unit_id = ?"
)

_log = structlog.get_logger()
_decode = msgspec.json.Decoder(Exposure).decode


class ExposureGroup(NamedTuple):
    experiment_key: str
    variant_key: str
    reason: str


def read_exposures(
    directory: Path, *, experiment_key: str | None = None, project_id: str | None = None
) -> Iterator[Exposure]:
    """By the time they were received; an event id that several files hold comes once."""
    with ExitStack() as stack:
        runs = [
            stack.enter_context(closing(file)).execute(_READ, (experiment_key, project_id))
            for file in _open_all(directory)
        ]
        for _, body in heapq.merge(*runs, key=_received_at_ms):
            yield _decode(body)


def count_exposures(
    directory: Path, *, experiment_key: str | None = None, project_id: str | None = None
) -> dict[ExposureGroup, int]:
    """How many distinct events each experiment, variant and reason has."""
    counts: Counter[ExposureGroup] = Counter()
    for file in _open_all(directory):
        with closing(file):
            for *group, number in file.execute(_COUNT, (experiment_key, project_id)):
                counts[ExposureGroup(*group)] += number
    return dict(counts)


def _received_at_ms(row: tuple[int, bytes]) -> int:
    return row[0]


def _open_all(directory: Path) -> Iterator[sqlite3.Connection]:
    """Each file that holds exposures, with the ids that an earlier one has too in `repeated`."""
    earlier: list[Path] = []
    for path in sorted(directory.glob(_FILES)):
        try:
            connection = _open_with_repeated(path, earlier)
        except sqlite3.DatabaseError as error:
            raise UnusableLogFile(
                path, f"cannot be read ({error}); restore or remove it"
            ) from error
        if connection is not None:
            earlier.append(path)
            yield connection


def _open_with_repeated(path: Path, earlier: list[Path]) -> sqlite3.Connection | None:
    connection = _open_read_only(path)
    try:
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'exposures'"
        ).fetchone():
            connection.close()
            return None
        connection.execute("CREATE TEMP TABLE repeated (event_id TEXT PRIMARY KEY) WITHOUT ROWID")
        for other in earlier:
            connection.execute("ATTACH ? AS earlier", (_read_only_uri(other),))
            connection.execute(_NOTE_REPEATED)
            connection.execute("DETACH earlier")
    except BaseException:
        connection.close()
        raise
    return connection


def _read_only_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        _read_only_uri(path),
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


class AssignmentReaders:
    """Read-only connections to all workers' files, opened once and kept; safe from any thread.

    The directory is listed again when it has changed. Its time stamp is coarse, so a listing is
    trusted only if the directory had been quiet for a while by then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._connections: dict[tuple[Path, int], sqlite3.Connection] = {}
        self._reported: set[Path] = set()
        self._listed_at_ns = -1

    def lookup(self, experiment_id: str, unit_id: str) -> dict[Path, Assignment]:
        """What each file holds; one that cannot be read is reported once and passed over."""
        found: dict[Path, Assignment] = {}
        with self._lock:
            self._notice_new_files()
            for (path, _), connection in self._connections.items():
                try:
                    row = connection.execute(_FIND_ASSIGNMENT, (experiment_id, unit_id)).fetchone()
                except sqlite3.Error as error:
                    self._report(path, error)
                    continue
                if row is not None:
                    found[path] = Assignment(*row)
        return found

    def close(self) -> None:
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
            self._listed_at_ns = -1

    def _notice_new_files(self) -> None:
        try:
            changed_at_ns = self._directory.stat().st_mtime_ns
            if changed_at_ns == self._listed_at_ns:
                return
            present = {(path, path.stat().st_ino) for path in self._directory.glob(_FILES)}
        except OSError as error:  # a file went between its listing and its stat, or all of them
            self._report(self._directory, error)
            return
        settled = time.time_ns() - changed_at_ns > _SETTLED_AFTER_S * 1e9
        self._listed_at_ns = changed_at_ns if settled else -1
        for gone in self._connections.keys() - present:
            self._connections.pop(gone).close()
        for path, inode in present - self._connections.keys():
            try:
                self._connections[path, inode] = _open_read_only(path)
            except sqlite3.Error as error:
                self._listed_at_ns = -1
                self._report(path, error)

    def _report(self, path: Path, error: sqlite3.Error | OSError) -> None:
        being_made = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if not being_made and path not in self._reported:  # a file being made has no table yet
            self._reported.add(path)
            _log.warning("event_log.file_unreadable", file=str(path), problem=str(error))
