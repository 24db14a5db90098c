"""Rows on their way out of a worker's file, while that worker goes on writing."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from fairlot.warehouse.erasing import open_for_writing
from fairlot.warehouse.errors import explained
from fairlot.warehouse.files import bring_up_to_date, schema_of, worker_files
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.tail import snapshot_of, span_of
from fairlot.warehouse.log_file import WAL_PAGES_BEFORE_CHECKPOINT
from fairlot.warehouse.schema import SCHEMA_STEPS
from fairlot.warehouse.slots import claim_file
from fairlot.warehouse.turns import Pause, turn

_ROWS_AT_ONCE: Final = 1000
_DROPPED_AT_ONCE: Final = 200
# A row number is given again when the last rows were deleted; with the id it names one event.
_NAME: Final = "seq || ':' || project_id || ':' || event_id"
_names_in: Final = msgspec.json.Decoder(list[str]).decode
_encode: Final = msgspec.json.Encoder().encode


class TakenRows(NamedTuple):
    """Of a table of a file: those with one of the names, in a JSON list in the order of their
    numbers. `more_wait` were there and not taken."""

    path: Path
    kind: EventKind
    rows: int
    names: str
    more_wait: bool


class Waiting(NamedTuple):
    """What waits in the workers' files: roughly how many rows, and since when."""

    rows: int
    oldest_ms: int | None


def can_be_taken_from(path: Path) -> bool:
    """Whether a worker's file is of the newest schema, or could be made so: one of an older schema
    that is in use cannot. Raises UnusableLogFile."""
    with explained(path):
        return schema_of(path) == len(SCHEMA_STEPS) or _brought_up_to_date(path)


def take_rows(path: Path, kind: EventKind, rows_at_most: int, into: IO[bytes]) -> list[TakenRows]:
    """Write the oldest rows of a table to a file, a line each. They stay where they are until
    `drop_rows`. Raises UnusableLogFile."""
    statement = (
        f"SELECT group_concat(CAST(body AS TEXT), char(10)), count(*),"  # noqa: S608
        f" json_group_array({_NAME})"
        f" FROM {kind} WHERE seq > ? AND seq <= ?"
    )
    taken = []
    with explained(path), snapshot_of(path) as log:
        span = span_of(log, kind)
        end = min(span.last, span.after + rows_at_most)
        for after in range(span.after, end, _ROWS_AT_ONCE):
            last = min(after + _ROWS_AT_ONCE, end)
            lines, count, names = log.execute(statement, (after, last)).fetchone()
            if lines is not None:
                into.write(lines.encode() + b"\n")
                taken.append(TakenRows(path, kind, count, names, end < span.last))
    return taken


def drop_rows(taken: Sequence[TakenRows], pause: Pause = time.sleep) -> None:
    """In short transactions: whoever writes events waits for no more than one of them. Raises
    sqlite3.Error."""
    for path in dict.fromkeys(each.path for each in taken):
        with closing(_open_for_dropping(path)) as log:
            for rows in taken:
                if rows.path == path:
                    _drop(log, rows, pause)


def what_waits(directory: Path) -> Waiting:
    """A file that cannot be read counts as empty."""
    rows, oldest = 0, []
    for path in worker_files(directory):
        try:
            with snapshot_of(path) as log:
                for kind in EventKind:
                    after, last = span_of(log, kind)
                    rows += last - after
                    if last:
                        oldest.append(_received_at_ms(log, kind, after + 1))
        except sqlite3.DatabaseError:
            continue
    return Waiting(rows, min(oldest, default=None))


def _received_at_ms(log: sqlite3.Connection, kind: EventKind, seq: int) -> int:
    statement = f"SELECT received_at_ms FROM {kind} WHERE seq = ?"  # noqa: S608 - our name
    (received_at_ms,) = log.execute(statement, (seq,)).fetchone()
    return int(received_at_ms)


def _open_for_dropping(path: Path) -> sqlite3.Connection:
    """Deletions that a power failure takes back are made again by the next compaction. So no
    commit waits for the disk, and the worker does not wait for that; what it acknowledges it
    writes to the disk itself, with all before."""
    log = open_for_writing(path, waits_s=0)
    log.execute("PRAGMA synchronous = NORMAL")
    log.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}")
    return log


def _drop(log: sqlite3.Connection, rows: TakenRows, pause: Pause) -> None:
    statement = (
        f"DELETE FROM {rows.kind} WHERE seq >= ? AND seq <= ?"  # noqa: S608 - our names
        f" AND {_NAME} IN (SELECT value FROM json_each(?))"
    )
    for names in _few_at_once(_names_in(rows.names)):
        span = _seq_of(names[0]), _seq_of(names[-1])
        with turn(log, pause=pause):
            log.execute(statement, (*span, _encode(names).decode()))


def _few_at_once(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _DROPPED_AT_ONCE):
        yield names[start : start + _DROPPED_AT_ONCE]


def _seq_of(name: str) -> int:
    return int(name.partition(":")[0])


def _brought_up_to_date(path: Path) -> bool:
    slot = claim_file(path)
    if slot is None:
        return False
    try:
        bring_up_to_date(path)
    finally:
        slot.release()
    return True
