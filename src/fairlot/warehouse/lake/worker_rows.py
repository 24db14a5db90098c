"""Rows on their way out of a worker's file, while that worker goes on writing."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Final, NamedTuple

from fairlot.warehouse.erasing import open_for_writing
from fairlot.warehouse.errors import explained
from fairlot.warehouse.files import bring_up_to_date, schema_of, worker_files
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.tail import snapshot_of, span_of
from fairlot.warehouse.schema import SCHEMA_STEPS
from fairlot.warehouse.slots import claim_file

_ROWS_AT_ONCE: Final = 1000
_PAUSE_S: Final = 0.002
# A row number is given again when the last rows were deleted; with the id it names one event.
_NAME: Final = "seq || ':' || project_id || ':' || event_id"


class TakenRows(NamedTuple):
    """Of a table of a file: those with a number after `after`, up to and with `last`, and one of
    the names in a JSON list. `more_wait` were there and not taken."""

    path: Path
    kind: EventKind
    after: int
    last: int
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
                taken.append(TakenRows(path, kind, after, last, count, names, end < span.last))
    return taken


def drop_rows(taken: Sequence[TakenRows]) -> None:
    """In short transactions: whoever writes events waits for no more than one of them. Raises
    sqlite3.Error."""
    for path in dict.fromkeys(each.path for each in taken):
        with closing(open_for_writing(path)) as log:
            for rows in taken:
                if rows.path == path:
                    _drop(log, rows)
                    time.sleep(_PAUSE_S)


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


def _drop(log: sqlite3.Connection, rows: TakenRows) -> None:
    log.execute("BEGIN IMMEDIATE")
    log.execute(
        f"DELETE FROM {rows.kind} WHERE seq > ? AND seq <= ?"  # noqa: S608 - our names
        f" AND {_NAME} IN (SELECT value FROM json_each(?))",
        (rows.after, rows.last, rows.names),
    )
    log.execute("COMMIT")


def _brought_up_to_date(path: Path) -> bool:
    slot = claim_file(path)
    if slot is None:
        return False
    try:
        bring_up_to_date(path)
    finally:
        slot.release()
    return True
