"""Reading all workers' files of the log, while they are written."""

import heapq
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from fairlot.events import Assignment, Conversion, Exposure, Identity
from fairlot.logs import get_logger
from fairlot.warehouse.errors import explained
from fairlot.warehouse.files import worker_files
from fairlot.warehouse.lake.layout import has_files
from fairlot.warehouse.opening import open_read_only, read_only_uri
from fairlot.warehouse.whose import UNIT, Whose

_SETTLED_AFTER_S = 2.0

_PROJECT = "json_extract(CAST({table}.body AS TEXT), '$.project_id')"
_COUNT_COLUMNS = (
    "experiment_key, json_extract(CAST(body AS TEXT), '$.variant_key'),"
    " json_extract(CAST(body AS TEXT), '$.reason'), count(*)"
)
_ASSIGNMENTS = (
    "SELECT experiment_id, experiment_key, unit_id, variant_key, manifest_version, assigned_at_ms"
    " FROM assignments WHERE"
)
_FIND_ASSIGNMENT = f"{_ASSIGNMENTS} experiment_id = ? AND unit_id = ?"
_FIND_ASSIGNMENTS = (
    f"{_ASSIGNMENTS} experiment_id IN (SELECT value FROM json_each(?1))"  # noqa: S608 - our names
    " AND unit_id IN (SELECT value FROM json_each(?2))"
)

_log = get_logger()
E = TypeVar("E", Exposure, Conversion, Identity)


class ExposureGroup(NamedTuple):
    experiment_key: str
    variant_key: str
    reason: str


def read_exposures(
    directory: Path, *, experiment_key: str | None = None, project_id: str | None = None
) -> Iterator[Exposure]:
    """By the time they were received; an event id that several files hold comes once."""
    return _read(directory, EXPOSURES, experiment_key, project_id)


def read_conversions(
    directory: Path, *, event_name: str | None = None, project_id: str | None = None
) -> Iterator[Conversion]:
    """As `read_exposures`."""
    return _read(directory, CONVERSIONS, event_name, project_id)


def read_identities(directory: Path, *, project_id: str | None = None) -> Iterator[Identity]:
    """As `read_exposures`."""
    return _read(directory, IDENTITIES, None, project_id)


def read_events_of(
    directory: Path, project_id: str, whose: Whose
) -> Iterator[Exposure | Conversion | Identity]:
    """All whose subject, unit or user is one of these: exposures, then conversions, then
    identities. Each file is read from end to end."""
    yield from _read_of(directory, EXPOSURES, project_id, whose)
    yield from _read_of(directory, CONVERSIONS, project_id, whose)
    yield from _read_of(directory, IDENTITIES, project_id, whose)


def read_assignments_of(
    directory: Path, experiment_ids: Collection[str], unit_ids: Collection[str]
) -> list[Assignment]:
    """What any worker remembers of these units; earliest first."""
    asked = (_as_list(experiment_ids), _as_list(unit_ids))
    found: set[Assignment] = set()
    for file in read_files(directory, "assignments"):
        with closing(file):
            found.update(Assignment(*row) for row in file.execute(_FIND_ASSIGNMENTS, asked))
    return sorted(found, key=lambda each: (each.assigned_at_ms, each.experiment_key, each.unit_id))


def count_exposures(
    directory: Path, *, experiment_key: str | None = None, project_id: str | None = None
) -> dict[ExposureGroup, int]:
    """How many distinct events each experiment, variant and reason has."""
    counts: Counter[ExposureGroup] = Counter()
    statement = f"SELECT {_COUNT_COLUMNS}{EXPOSURES.chosen} GROUP BY 1, 2, 3"
    if has_files(directory):
        return _count_in_lake(directory, experiment_key, project_id)
    for file in _open_all(directory, EXPOSURES):
        with closing(file):
            for *group, number in file.execute(statement, (experiment_key, project_id)):
                counts[ExposureGroup(*group)] += number
    if has_files(directory):  # since a moment, so files were read that had lost their rows
        return _count_in_lake(directory, experiment_key, project_id)
    return dict(counts)


def _count_in_lake(
    directory: Path, experiment_key: str | None, project_id: str | None
) -> dict[ExposureGroup, int]:
    from fairlot.warehouse.lake.records import count_groups  # slow to import, and rarely needed

    found = count_groups(directory, experiment_key=experiment_key, project_id=project_id)
    return {ExposureGroup(*group): number for group, number in found.items()}


def read_files(directory: Path, table: str) -> Iterator[sqlite3.Connection]:
    """A connection to each file that has the table; whoever takes it closes it."""
    for path in worker_files(directory):
        with explained(path):
            connection = _open_with(path, table)
        if connection is not None:
            yield connection


class _Kind(Generic[E]):
    """A kind of events: its table, the column that it may be chosen by, its record, and the fields
    that name somebody."""

    def __init__(self, table: str, chosen_by: str, record: type[E], whose: Sequence[str]) -> None:
        self.table = table
        self.whose = whose
        self.chosen_by = chosen_by
        self.record: type[E] = record
        self.decode: Callable[[bytes], E] = msgspec.json.Decoder(record).decode
        project = _PROJECT.format(table=table)
        self.chosen = (
            f" FROM {table} WHERE (?1 IS NULL OR {chosen_by} = ?1)"  # noqa: S608 - names of ours
            f" AND (?2 IS NULL OR {project} = ?2) AND seq NOT IN (SELECT seq FROM temp.repeated)"
        )
        # The project is in every body; files of schema 1 have no column for it.
        self.note_repeated = (
            f"INSERT OR IGNORE INTO temp.repeated SELECT own.seq FROM main.{table} AS own"  # noqa: S608
            f" JOIN earlier.{table} AS other USING (event_id)"
            f" WHERE {_PROJECT.format(table='own')} = {_PROJECT.format(table='other')}"
        )


EXPOSURES = _Kind("exposures", "experiment_key", Exposure, ("subject_id", UNIT))
CONVERSIONS = _Kind("conversions", "event_name", Conversion, ("subject_id",))
IDENTITIES = _Kind("identities", "NULL", Identity, ("subject_id", "user_id"))


def _read(
    directory: Path, kind: _Kind[E], chosen: str | None, project_id: str | None
) -> Iterator[E]:
    statement = f"SELECT received_at_ms, body{kind.chosen} ORDER BY received_at_ms, seq"
    if not has_files(directory):
        with ExitStack() as stack:
            runs = [
                stack.enter_context(closing(file)).execute(statement, (chosen, project_id))
                for file in _open_all(directory, kind)
            ]
            if not has_files(directory):  # still, now that each file is read as it is
                for _, body in heapq.merge(*runs, key=_received_at_ms):
                    yield kind.decode(body)
                return
    from fairlot.warehouse.lake.records import Wanted, read_records  # slow, and rarely needed

    wanted = Wanted(project_id, kind.chosen_by, chosen)
    yield from read_records(directory, kind.table, kind.record, wanted)


def _read_of(directory: Path, kind: _Kind[E], project_id: str, whose: Whose) -> Iterator[E]:
    theirs = " OR ".join(map(_is_theirs, kind.whose))
    statement = f"SELECT body{kind.chosen} AND ({theirs}) ORDER BY received_at_ms, seq"
    asked = [None, project_id, _as_list(whose.ids)]
    if UNIT in kind.whose:
        asked.append(_as_list(whose.by_account))
    if not has_files(directory):
        found = []
        for file in _open_all(directory, kind):
            with closing(file):
                found += [body for (body,) in file.execute(statement, asked)]
        if not has_files(directory):
            yield from map(kind.decode, found)
            return
    from fairlot.warehouse.lake.records import read_records_of  # slow, and rarely needed

    yield from read_records_of(directory, kind.table, kind.record, project_id, kind.whose, whose)


def _is_theirs(column: str) -> str:
    """As SQL: of the ids ?3, but for units of the experiments ?4."""
    theirs = f"{_in_body(column)} IN (SELECT value FROM json_each(?3))"  # noqa: S608 - our names
    if column != UNIT:
        return theirs
    by_account = f"{_in_body('experiment_id')} IN (SELECT value FROM json_each(?4))"  # noqa: S608
    return f"{theirs} AND NOT {by_account}"


def _in_body(field: str) -> str:
    return f"json_extract(CAST(body AS TEXT), '$.{field}')"


def _as_list(texts: Collection[str]) -> str:
    """For `json_each`."""
    return msgspec.json.encode(list(texts)).decode()


def _received_at_ms(row: tuple[int, bytes]) -> int:
    return row[0]


def _open_all(directory: Path, kind: _Kind[Any]) -> Iterator[sqlite3.Connection]:
    """Each file that holds such events, with those that an earlier one has too in `repeated`."""
    earlier: list[Path] = []
    for path in worker_files(directory):
        with explained(path):
            connection = _open_with(path, kind.table)
            if connection is None:
                continue
            try:
                _note_repeated(connection, kind, earlier)
            except BaseException:
                connection.close()
                raise
        earlier.append(path)
        yield connection


def _open_with(path: Path, table: str) -> sqlite3.Connection | None:
    """The file, if it has the table: one that is being made, or is of an older schema, has not."""
    connection = open_read_only(path)
    try:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
        has_it = found.fetchone() is not None
    except BaseException:
        connection.close()
        raise
    if not has_it:
        connection.close()
        return None
    return connection


def _note_repeated(
    connection: sqlite3.Connection, kind: _Kind[Any], earlier: Iterable[Path]
) -> None:
    connection.execute("CREATE TEMP TABLE repeated (seq INTEGER PRIMARY KEY)")
    for other in earlier:
        connection.execute("ATTACH ? AS earlier", (read_only_uri(other),))
        connection.execute(kind.note_repeated)
        connection.execute("DETACH earlier")


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
            present = {(path, path.stat().st_ino) for path in worker_files(self._directory)}
        except OSError as error:  # a file went between its listing and its stat, or all of them
            self._report(self._directory, error)
            return
        settled = time.time_ns() - changed_at_ns > _SETTLED_AFTER_S * 1e9
        self._listed_at_ns = changed_at_ns if settled else -1
        for gone in self._connections.keys() - present:
            self._connections.pop(gone).close()
        for path, inode in present - self._connections.keys():
            try:
                self._connections[path, inode] = open_read_only(path)
            except sqlite3.Error as error:
                self._listed_at_ns = -1
                self._report(path, error)

    def _report(self, path: Path, error: sqlite3.Error | OSError) -> None:
        being_made = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        if not being_made and path not in self._reported:  # a file being made has no table yet
            self._reported.add(path)
            _log.warning("event_log.file_unreadable", file=str(path), problem=str(error))
