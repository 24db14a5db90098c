"""The stored assignments of one log file, laid out so that writing one is cheap.

Units come in no order, so in one large tree nearly every new row dirties a page of its own: 30 us
a row, against 7 here. Rows go to a small run first, whose few pages every commit shares. When a
level has `FANOUT` full runs, their rows move to one run of the next level, a slice with each
commit, so that no commit stands out. A row is in one run at a time, and finding one asks each run:
at most `FANOUT` a level. (The idea is the log-structured merge-tree, O'Neil et al. 1996.)
"""

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

from fairlot.events import Assignment

SCHEMA = """
CREATE TABLE assignments (
    run INTEGER NOT NULL,
    slice INTEGER NOT NULL,
    experiment_id TEXT NOT NULL,
    unit_id TEXT NOT NULL,
    experiment_key TEXT NOT NULL,
    variant_key TEXT NOT NULL,
    manifest_version INTEGER NOT NULL,
    assigned_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run, slice, experiment_id, unit_id)
) WITHOUT ROWID;
CREATE TABLE assignment_runs (
    run INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('filling', 'full'))
);
"""
RUN_ROWS = 2000
FANOUT = 16
SLICES = 1 << 16
_LEAST_ROWS_MOVED = 1000
_ROWS_PER_STATEMENT = 64

_VALUES = (
    "slice, experiment_id, unit_id, experiment_key, variant_key, manifest_version, assigned_at_ms"
)
_ONLY_ANOTHER_ANSWER = (
    " ON CONFLICT DO UPDATE SET experiment_key = excluded.experiment_key,"
    " variant_key = excluded.variant_key, manifest_version = excluded.manifest_version,"
    " assigned_at_ms = excluded.assigned_at_ms WHERE excluded.variant_key <> variant_key"
)
_IN_SLICES = "run IN (SELECT value FROM json_each(?)) AND slice >= ? AND slice < ?"
_COPY_SLICES = (
    f"INSERT INTO assignments (run, {_VALUES}) SELECT ?, {_VALUES} FROM assignments"  # noqa: S608
    f" WHERE {_IN_SLICES} ORDER BY run" + _ONLY_ANOTHER_ANSWER
)
_DROP_SLICES = f"DELETE FROM assignments WHERE {_IN_SLICES}"  # noqa: S608 - names of ours
_FIND = (
    "SELECT experiment_id, experiment_key, unit_id, variant_key, manifest_version, assigned_at_ms"
    " FROM assignment_runs CROSS JOIN assignments USING (run)"
    " WHERE slice = ? AND experiment_id = ? AND unit_id = ? ORDER BY level DESC, run"
)


def slice_of(unit_id: str) -> int:
    return crc32(unit_id.encode()) % SLICES


def find_answer(
    connection: sqlite3.Connection, experiment_id: str, unit_id: str
) -> Assignment | None:
    """The latest answer, with the time at which it was first given.

    Rows of higher levels, and of lower runs in a level, were stored earlier. (Where two answers
    took turns, the time can be that of an earlier turn of the same answer.)
    """
    found: Assignment | None = None
    for row in connection.execute(_FIND, (slice_of(unit_id), experiment_id, unit_id)):
        if found is None or found.variant_key != row[3]:
            found = Assignment(*row)
    return found


class AnswerRuns:
    """Writes assignments inside the caller's transaction; make it anew after a rollback."""

    def __init__(
        self, connection: sqlite3.Connection, run_rows: int = RUN_ROWS, fanout: int = FANOUT
    ) -> None:
        self._connection = connection
        self._run_rows = run_rows
        self._fanout = fanout
        self._full: dict[int, list[int]] = {}
        self._filling: dict[int, int] = {}
        self._moved_to: dict[int, int] = {}
        self._next_run = 0
        for run, level, state in connection.execute("SELECT * FROM assignment_runs ORDER BY run"):
            self._next_run = run + 1
            if state == "full":
                self._full.setdefault(level, []).append(run)
            else:
                self._filling[level] = run
        (self._rows,) = connection.execute(
            "SELECT count(*) FROM assignments WHERE run = ?", (self._filling.get(0, -1),)
        ).fetchone()

    def add(self, assignments: Sequence[Assignment]) -> None:
        if assignments:
            self._insert(assignments, self._run_to_fill(0))
            self._rows += len(assignments)
            if self._rows >= self._run_rows:
                self._close_run(0)
                self._rows = 0
        self._merge_some(_LEAST_ROWS_MOVED + 2 * len(assignments))

    def _insert(self, assignments: Sequence[Assignment], run: int) -> None:
        for start in range(0, len(assignments), _ROWS_PER_STATEMENT):
            some = assignments[start : start + _ROWS_PER_STATEMENT]
            values: list[Any] = []
            for one in some:
                values += (
                    run,
                    slice_of(one.unit_id),
                    one.experiment_id,
                    one.unit_id,
                    one.experiment_key,
                    one.variant_key,
                    one.manifest_version,
                    one.assigned_at_ms,
                )
            self._connection.execute(_insert_statement(len(some)), values)

    def _run_to_fill(self, level: int) -> int:
        run = self._filling.get(level)
        if run is None:
            run = self._filling[level] = self._next_run
            self._next_run += 1
            self._connection.execute(
                "INSERT INTO assignment_runs VALUES (?, ?, 'filling')", (run, level)
            )
        return run

    def _close_run(self, level: int) -> None:
        run = self._filling.pop(level)
        self._connection.execute("UPDATE assignment_runs SET state = 'full' WHERE run = ?", (run,))
        self._full.setdefault(level, []).append(run)

    def _merge_some(self, rows: int) -> None:
        """Move about that many rows of the oldest full runs of the lowest crowded level."""
        level = next((level for level in sorted(self._full) if self._is_crowded(level)), None)
        if level is None:
            return
        merged = json.dumps(self._full[level][: self._fanout])
        target = self._run_to_fill(level + 1)
        start = self._moved_to.get(level, 0)
        of_rows = self._run_rows * self._fanout ** (level + 1)
        end = start + max(1, SLICES * rows // of_rows)
        self._connection.execute(_COPY_SLICES, (target, merged, start, end))
        self._connection.execute(_DROP_SLICES, (merged, start, end))
        self._moved_to[level] = end
        if end >= SLICES:
            self._finish_merge(level, merged)

    def _is_crowded(self, level: int) -> bool:
        return len(self._full[level]) >= self._fanout

    def _finish_merge(self, level: int, merged: str) -> None:
        self._connection.execute(
            "DELETE FROM assignment_runs WHERE run IN (SELECT value FROM json_each(?))", (merged,)
        )
        del self._full[level][: self._fanout], self._moved_to[level]
        self._close_run(level + 1)


@lru_cache(maxsize=_ROWS_PER_STATEMENT)
def _insert_statement(rows: int) -> str:
    values = ", ".join(["(?,?,?,?,?,?,?,?)"] * rows)
    insert = f"INSERT INTO assignments (run, {_VALUES}) VALUES {values}"  # noqa: S608
    return insert + _ONLY_ANOTHER_ANSWER
