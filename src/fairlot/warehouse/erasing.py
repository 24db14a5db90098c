"""Deleting what a file of the log holds of subjects, so that no byte of it is left.

Who is meant is told by digests of ids: what is to be deleted need not be kept to be found. Rows
that were received well after a deletion stay: whoever comes back begins anew.
"""

import sqlite3
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from fairlot.warehouse.opening import open_read_only
from fairlot.warehouse.turns import turn

RECEIVED_LATER_MS: Final = 5_000
"""What is received so long after a deletion, or later, is no part of it: by then every process has
heard of it, and their clocks may differ."""
_ROWS_AT_ONCE: Final = 500
_WRITTEN_AT_ONCE: Final = 200
_EVENTS: Final = ("exposures", "conversions", "identities")
_BUSY_TIMEOUT_S: Final = 5.0
_PAUSE_S: Final = 0.001
_DELETE_ASSIGNMENT: Final = "DELETE FROM assignments WHERE experiment_id = ? AND unit_id = ?"
_NOTE_ERASED: Final = "INSERT OR IGNORE INTO erased (deletion_id) VALUES (?)"

Digest = Callable[[str], bytes]
"""Of a subject id."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One deletion: `digests` of all ids of the subject in its project, whose `experiment_ids` say
    which assignments are of its subjects. Units of `by_account` are none of their ids, though an
    account may be called as a subject is."""

    id: str
    project_id: str
    digests: frozenset[bytes]
    experiment_ids: frozenset[str]
    by_account: frozenset[str]
    at_ms: int


class _Who(msgspec.Struct, frozen=True, gc=False):
    subject_id: str
    unit_id: str | None = None
    user_id: str | None = None
    experiment_id: str | None = None

    def ids(self, by_account: Container[str]) -> tuple[str, ...]:
        """Mostly the unit is the subject."""
        if self.experiment_id in by_account or (
            self.user_id is None and self.unit_id in (None, self.subject_id)
        ):
            return (self.subject_id,)
        return tuple(each for each in (self.subject_id, self.unit_id, self.user_id) if each)


_decode: Final = msgspec.json.Decoder(list[_Who]).decode


@dataclass(frozen=True, slots=True)
class _Found:
    """Events by number, project and id: SQLite gives a number again when the last rows went, as
    they may between the search and the deletion."""

    events: dict[str, list[tuple[int, str, str]]]
    assignments: list[tuple[str, str]]


def erase(path: Path, erasures: Sequence[Erasure], digest_of: Digest, *, since: str) -> None:
    """All of them, noted as done, in a file of the newest schema; whoever writes it may go on. Then
    `empty_wal` is still to be called. Notes of deletions with lower ids than `since` are dropped.
    Raises sqlite3.Error."""
    with closing(open_read_only(path)) as reading:
        found = _find(reading, erasures, digest_of)
    with closing(open_for_writing(path, waits_s=0)) as writing:
        for table, named in found.events.items():
            whose = "seq = ? AND project_id = ? AND event_id = ?"
            _write(writing, f"DELETE FROM {table} WHERE {whose}", named)  # noqa: S608
        _write(writing, _DELETE_ASSIGNMENT, found.assignments)
        _write(writing, "DELETE FROM erased WHERE deletion_id < ?", [(since,)])
        _write(writing, _NOTE_ERASED, [(each.id,) for each in erasures])


def empty_wal(path: Path, within_s: float) -> bool:
    """Write back what the write-ahead log of any SQLite file holds, and cut it to nothing: until
    then it has the old pages. False when who reads the file did not let us within that time."""
    give_up_at = time.monotonic() + within_s
    with closing(open_for_writing(path)) as connection:
        while not _is_emptied(connection):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.05)
    return True


def note_emptied(path: Path) -> None:
    """That the write-ahead log of a file was, since its deletions."""
    with closing(open_for_writing(path, waits_s=0)) as connection, turn(connection):
        connection.execute("UPDATE erased SET emptied = 1 WHERE NOT emptied")


def erased_in(path: Path) -> dict[str, bool]:
    """The ids of the deletions that a file has made, each with whether its write-ahead log was
    emptied since; none of a file that is older than that, or cannot be read."""
    try:
        with closing(open_read_only(path)) as connection:
            rows = connection.execute("SELECT deletion_id, emptied FROM erased").fetchall()
    except sqlite3.DatabaseError:
        return {}
    return {deletion_id: bool(emptied) for deletion_id, emptied in rows}


def open_for_writing(path: Path, waits_s: float = _BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A worker's file; whoever writes it may go on. For `turn` it must not wait on its own."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=waits_s,
        isolation_level=None,
    )
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _write(
    connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]
) -> None:
    """In short transactions: whoever writes events waits for no more than one of them."""
    for start in range(0, len(rows), _WRITTEN_AT_ONCE):
        with turn(connection):
            connection.executemany(statement, rows[start : start + _WRITTEN_AT_ONCE])


def _is_emptied(connection: sqlite3.Connection) -> bool:
    busy, in_wal, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy and in_wal == 0


def _find(log: sqlite3.Connection, erasures: Sequence[Erasure], digest_of: Digest) -> _Found:
    found = _Found({table: [] for table in _EVENTS}, [])
    for project_id in {each.project_id for each in erasures}:
        meant = Meant([each for each in erasures if each.project_id == project_id], digest_of)
        for table in _EVENTS:
            found.events[table] += _events_of(log, table, project_id, meant)
        found.assignments.extend(_assignments_of(log, meant))
    return found


class Meant:
    """Who is meant in one project."""

    def __init__(self, erasures: Iterable[Erasure], digest_of: Digest) -> None:
        self._digest_of = digest_of
        self._until_ms: dict[bytes, int] = {}
        self.experiment_ids: frozenset[str] = frozenset()
        self.by_account: frozenset[str] = frozenset()
        for each in erasures:
            self.experiment_ids |= each.experiment_ids
            self.by_account |= each.by_account
            until_ms = each.at_ms + RECEIVED_LATER_MS
            for digest in each.digests:
                self._until_ms[digest] = max(until_ms, self._until_ms.get(digest, 0))
        self.until_ms = max(self._until_ms.values(), default=0)

    def holds(self, who: str, at_ms: int) -> bool:
        return at_ms < self.until_ms_of(who)

    def until_ms_of(self, who: str) -> int:
        """What was received of them before is deleted; 0 of everybody else."""
        return self._until_ms.get(self._digest_of(who), 0)


def _events_of(
    log: sqlite3.Connection, table: str, project_id: str, meant: Meant
) -> Iterator[tuple[int, str, str]]:
    last = log.execute(f"SELECT max(seq) FROM {table}").fetchone()[0] or 0  # noqa: S608 - our name
    statement = (
        "SELECT json_group_array(seq), json_group_array(event_id),"  # noqa: S608 - our names
        f" json_group_array(received_at_ms),"
        f" '[' || group_concat(CAST(body AS TEXT)) || ']' FROM {table}"
        " WHERE seq > ? AND seq <= ? AND project_id = ? AND received_at_ms < ?"
    )
    for begin in range(0, last, _ROWS_AT_ONCE):
        asked = (begin, begin + _ROWS_AT_ONCE, project_id, meant.until_ms)
        seqs, ids, received, bodies = log.execute(statement, asked).fetchone()
        if bodies is None:
            continue
        rows = zip(_numbers(seqs), _texts(ids), _numbers(received), _decode(bodies), strict=True)
        for seq, event_id, at_ms, who in rows:
            if any(meant.holds(each, at_ms) for each in who.ids(meant.by_account)):
                yield seq, project_id, event_id
        time.sleep(_PAUSE_S)  # decisions go on beside it


def _assignments_of(log: sqlite3.Connection, meant: Meant) -> Iterator[tuple[str, str]]:
    for experiment_id in sorted(meant.experiment_ids):
        rows = log.execute(
            "SELECT unit_id, assigned_at_ms FROM assignments WHERE experiment_id = ?",
            (experiment_id,),
        )
        while some := rows.fetchmany(_ROWS_AT_ONCE):
            for unit_id, at_ms in some:
                if meant.holds(unit_id, at_ms):
                    yield experiment_id, unit_id
            time.sleep(_PAUSE_S)


_numbers: Final = msgspec.json.Decoder(list[int]).decode
_texts: Final = msgspec.json.Decoder(list[str]).decode
