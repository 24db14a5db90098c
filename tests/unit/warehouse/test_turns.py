import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.warehouse.turns import LEAST_PAUSE_S, WITHIN_S, WORKER_TRIES_EVERY_S, begin, turn

Connections = tuple[sqlite3.Connection, sqlite3.Connection]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Connections]:
    """Two connections to one file, neither of which waits for the other on its own."""
    path = tmp_path / "a.sqlite"
    with (
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as ours,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as theirs,
    ):
        ours.execute("PRAGMA journal_mode = WAL")
        ours.execute("CREATE TABLE rows (number INTEGER)")
        yield ours, theirs


def ticking(*moments: float) -> Callable[[], float]:
    return iter(moments).__next__


@pytest.mark.parametrize(("held_s", "pause_s"), [(0.25, 0.25), (0.0, LEAST_PAUSE_S)])
def test_turn__ended__others_write_for_as_long_as_it_took(
    both: Connections, held_s: float, pause_s: float
) -> None:
    ours, theirs = both
    pauses = []

    def others_write(seconds: float) -> None:
        pauses.append(seconds)
        theirs.execute("INSERT INTO rows VALUES (2)")

    with turn(ours, ticking(0.0, 1.0, 1.0 + held_s), others_write):
        ours.execute("INSERT INTO rows VALUES (1)")
    assert pauses == [pause_s]
    assert theirs.execute("SELECT number FROM rows").fetchall() == [(1,), (2,)]


def test_begin__somebody_writes__is_tried_again_at_once(both: Connections) -> None:
    ours, theirs = both
    theirs.execute("BEGIN IMMEDIATE")
    pauses = []

    def until_they_are_done(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            theirs.execute("COMMIT")

    begin(ours, clock=lambda: 0.0, pause=until_they_are_done)
    assert ours.in_transaction
    assert pauses == [WORKER_TRIES_EVERY_S] * 3
    assert WORKER_TRIES_EVERY_S < LEAST_PAUSE_S


def test_begin__somebody_writes_for_too_long__raises(both: Connections) -> None:
    ours, theirs = both
    theirs.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin(ours, clock=ticking(0.0, WITHIN_S, WITHIN_S + 1), pause=lambda _: None)


def test_begin__other_trouble__is_raised_at_once(both: Connections) -> None:
    ours, _ = both
    ours.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        begin(ours, pause=lambda _: pytest.fail("waited"))
