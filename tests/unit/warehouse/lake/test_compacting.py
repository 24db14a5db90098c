import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import duckdb
import pytest

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake import EventKind, compact, compacting, open_lake, write_events
from fairlot.warehouse.lake.compacting import is_due
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.lake.worker_rows import TakenRows, drop_rows, take_rows
from fairlot.warehouse.lake.writing import publish
from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.slots import claim_file
from fairlot.warehouse.turns import LEAST_PAUSE_S
from unit.warehouse.lake.planting import DAY_MS, files_of, rows_in_tail, subjects, write_tail
from unit.warehouse.records import NOW_MS, assignment, conversion, exposure, identity, received

_SCHEMA_1 = Path(__file__).parents[1] / "schema_1.sqlite"


def test_compact__all_workers_and_projects__moves_events_and_leaves_the_rest(
    tmp_path: Path,
) -> None:
    for worker in range(2):
        file = LogFile(tmp_path / f"worker-{worker}.sqlite")
        events = (exposure(f"a{worker}"), conversion(f"a{worker}"), identity(f"a{worker}"))
        file.append([exposure("x", project_id="prj_2")], [assignment()], [received(*events)])
        file.close()
    done = compact(tmp_path)
    assert done is not None and (done.events, done.repeated, done.files) == (8, 0, 4)
    assert rows_in_tail(tmp_path) == 0
    assert [subjects(tmp_path, kind=kind) for kind in EventKind] == [["a0", "a1"]] * 3
    assert subjects(tmp_path, "prj_2") == ["x", "x"]
    with closing(sqlite3.connect(tmp_path / "worker-0.sqlite")) as log:
        counts = [
            log.execute(f"SELECT count(*) FROM {each}").fetchone()[0]  # noqa: S608
            for each in ("assignments", "batches")
        ]
    assert counts == [1, 1]


def test_compact__what_was_moved_before__is_deleted_only(tmp_path: Path) -> None:
    twice = exposure("a")
    write_tail(tmp_path, 0, twice)
    assert compact(tmp_path) is not None
    write_tail(tmp_path, 1, twice, exposure("b"))
    done = compact(tmp_path)
    assert done is not None and (done.events, done.repeated) == (1, 1)
    assert subjects(tmp_path) == ["a", "b"] and rows_in_tail(tmp_path) == 0


def test_compact__killed_before_it_deleted__the_next_one_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tail(tmp_path, 0, exposure("a"))
    with monkeypatch.context() as dying:
        dying.setattr(compacting, "drop_rows", lambda taken: _die())
        with pytest.raises(KeyboardInterrupt):
            compact(tmp_path)
    assert rows_in_tail(tmp_path) == 1 and subjects(tmp_path) == ["a"]
    done = compact(tmp_path)
    assert done is not None and (done.events, done.repeated) == (0, 1)
    assert rows_in_tail(tmp_path) == 0 and subjects(tmp_path) == ["a"]


def test_drop_rows__many__the_worker_writes_after_each_few(tmp_path: Path) -> None:
    write_tail(tmp_path, 0, *(exposure(f"s{number}") for number in range(1_001)))
    path = tmp_path / "worker-0.sqlite"
    with TemporaryFile() as lines:
        taken = take_rows(path, EventKind.EXPOSURES, 2_000, lines)
    left = [rows_in_tail(tmp_path)]
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as worker:

        def worker_writes(seconds: float) -> None:
            assert seconds >= LEAST_PAUSE_S
            left.append(rows_in_tail(tmp_path))
            worker.execute("BEGIN IMMEDIATE")
            worker.execute("COMMIT")

        drop_rows(taken, pause=worker_writes)
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) <= 200


def test_compact__half_a_file_of_a_killed_one__is_removed_and_never_read(tmp_path: Path) -> None:
    (path,) = write_events(tmp_path, [exposure("a")])
    half = path.with_name(".00000002.parquet.partial")
    half.write_bytes(path.read_bytes()[:100])
    with open_lake(tmp_path, "prj_1") as lake:
        assert lake.unreadable == ()
    compact(tmp_path)
    assert not half.exists()


def test_compact__a_row_number_that_was_given_again__does_not_delete_the_new_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tail(tmp_path, 0, exposure("erased"))

    def erase_and_record(taken: list[TakenRows]) -> None:
        with closing(sqlite3.connect(tmp_path / "worker-0.sqlite")) as log:
            log.execute("DELETE FROM exposures")
            log.commit()
        write_tail(tmp_path, 0, exposure("new"))
        drop_rows(taken)

    monkeypatch.setattr(compacting, "drop_rows", erase_and_record)
    compact(tmp_path)
    assert "new" in subjects(tmp_path)


def test_compact__in_pieces__each_event_once_in_the_day_of_its_receipt(tmp_path: Path) -> None:
    events = [exposure(f"{at:02}", received_at_ms=NOW_MS + at % 2 * DAY_MS) for at in range(25)]
    write_tail(tmp_path, 0, *events)
    write_tail(tmp_path, 1, *events[:5])
    done = compact(tmp_path, rows_at_once=8)
    assert done is not None and (done.events, done.repeated) == (25, 5)
    assert subjects(tmp_path) == [f"{at:02}" for at in range(25)]
    assert {name.split("/")[2] for name in files_of(tmp_path)} == {
        "date=2026-11-23",
        "date=2026-11-24",
    }


def test_compact__while_somebody_else_does__leaves_it_to_them(tmp_path: Path) -> None:
    write_tail(tmp_path, 0, exposure("a"))
    with writing(tmp_path):
        assert compact(tmp_path) is None
    assert rows_in_tail(tmp_path) == 1


def test_compact__a_damaged_worker_file__is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "worker-0.sqlite").write_bytes(b"this is no database" * 100)
    write_tail(tmp_path, 1, exposure("a"))
    done = compact(tmp_path)
    assert done is not None and done.events == 1
    assert list(done.unusable) == [tmp_path / "worker-0.sqlite"]


def test_compact__a_damaged_parquet_file__stays_and_others_are_written(tmp_path: Path) -> None:
    (bad,) = write_events(tmp_path, [exposure("a")])
    bad.write_bytes(b"PAR1")
    write_tail(tmp_path, 0, exposure("b"))
    assert compact(tmp_path) is not None
    assert subjects(tmp_path) == ["b"] and bad.read_bytes() == b"PAR1"


def test_compact__a_file_of_an_older_schema__is_moved_unless_it_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.sqlite"
    shutil.copy(_SCHEMA_1, path)
    slot = claim_file(path)
    assert slot is not None
    done = compact(tmp_path)
    assert done is not None and done.events == 0
    slot.release()
    done = compact(tmp_path)
    assert done is not None and done.events > 0 and done.unusable == {}


def test_compaction__is_due__by_rows_or_by_age(tmp_path: Path) -> None:
    def due(rows: int, age_ms: int) -> bool:
        return is_due(tmp_path, now_ms=NOW_MS + 1000, rows=rows, age_ms=age_ms)

    assert not due(1, 0)
    write_tail(tmp_path, 0, exposure("a"), conversion("b"))
    assert due(2, 1001) and due(3, 1000) and not due(3, 1001)
    compact(tmp_path)
    assert not due(1, 0)


def _die() -> None:
    raise KeyboardInterrupt


def test_compact__lines_that_were_not_all_read__deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_lost(path: Path, kind: EventKind, most: int, into: IO[bytes]) -> list[TakenRows]:
        taken = take_rows(path, kind, most, into)
        into.seek(0)
        into.readline()
        into.truncate(into.tell())
        return taken

    write_tail(tmp_path, 0, exposure("a"), exposure("b"))
    monkeypatch.setattr(compacting, "take_rows", with_one_lost)
    assert_refused_then_whole(tmp_path, monkeypatch)


def assert_refused_then_whole(directory: Path, planted: pytest.MonkeyPatch) -> None:
    """Of events `a` and `b` one is lost; without the fault both arrive."""
    with pytest.raises(UnusableLogFile, match="1 of 2 events arrived"):
        compact(directory)
    assert rows_in_tail(directory) == 2
    planted.undo()
    compact(directory)
    assert (subjects(directory), rows_in_tail(directory)) == (["a", "b"], 0)


def test_compact__events_that_were_not_all_written__deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_but_one(session: duckdb.DuckDBPyConnection, table: str, *where: Any) -> list[Path]:
        session.execute(f"CREATE VIEW fewer AS SELECT * FROM {table} LIMIT 1")  # noqa: S608
        return publish(session, "fewer", *where)

    write_tail(tmp_path, 0, exposure("a"), exposure("b"))
    monkeypatch.setattr(compacting, "publish", all_but_one)
    assert_refused_then_whole(tmp_path, monkeypatch)
