from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fairlot.warehouse.lake import joining, open_lake, write_events
from fairlot.warehouse.lake.gone import Gone, count_gone, gone_exposures
from fairlot.warehouse.lake.joining import delete_old_files, join_files
from fairlot.warehouse.lake.locks import reading, removing
from fairlot.warehouse.lake.upkeep import Bounds, Upkeep
from unit.warehouse.lake.planting import DAY_MS, files_of, rows_in_tail, subjects, write_tail
from unit.warehouse.records import NOW_MS, conversion, exposure

_TODAY = datetime.fromtimestamp(NOW_MS / 1000, UTC).date().isoformat()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_ALONE_WITHIN_S", 0)


def plant(directory: Path, *subject_ids: str) -> list[Path]:
    return [path for each in subject_ids for path in write_events(directory, [exposure(each)])]


def names(directory: Path) -> list[str]:
    return [name.rsplit("/", 1)[1] for name in files_of(directory)]


def test_join__a_day_that_is_over__one_file_for_all(tmp_path: Path) -> None:
    plant(tmp_path, "a", "b", "c")
    write_events(tmp_path, [conversion("a")])
    assert join_files(tmp_path, now_ms=NOW_MS) == 0, "today has few files"
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 2
    assert names(tmp_path) == ["00000001.parquet", "00000001-00000003.parquet"]
    plant(tmp_path, "late")
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 1
    assert names(tmp_path)[1] == "00000001-00000004.parquet"
    assert subjects(tmp_path) == ["a", "b", "c", "late"]


def test_join__today__when_its_files_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "_FILES_OF_TODAY", 3)
    plant(tmp_path, "a", "b", "c")
    assert join_files(tmp_path, now_ms=NOW_MS) == 2


def test_join__past_a_damaged_file_and_a_foreign_one__never_hides_them(tmp_path: Path) -> None:
    paths = plant(tmp_path, "a", "b", "bad", "c", "d")
    paths[2].write_bytes(b"PAR1")
    foreign = paths[0].with_name("theirs.parquet")
    foreign.write_bytes(paths[0].read_bytes())
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 2
    assert names(tmp_path) == [
        "00000001-00000002.parquet",
        "00000003.parquet",
        "00000004-00000005.parquet",
        "theirs.parquet",
    ]
    with open_lake(tmp_path, "prj_1") as lake:
        assert [each.path for each in lake.unreadable] == [paths[2], foreign]


def test_join__large_files__are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = plant(tmp_path, "a", "b", "c", "d")
    monkeypatch.setattr(joining, "_JOINED_BYTES", paths[0].stat().st_size * 2 + 100)
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 2
    assert names(tmp_path) == ["00000001-00000002.parquet", "00000003-00000004.parquet"]


def test_join_and_deletion__while_somebody_reads__are_left_for_later(tmp_path: Path) -> None:
    plant(tmp_path, "a", "b")
    with reading(tmp_path):
        assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 0
        assert delete_old_files(tmp_path, now_ms=NOW_MS + 9 * DAY_MS, days=1) == 0
    assert names(tmp_path) == ["00000001.parquet", "00000002.parquet"]
    assert list(tmp_path.rglob(".*.partial")) == []


def test_join__killed_between_the_name_and_the_deletion__the_next_one_deletes(
    tmp_path: Path,
) -> None:
    paths = plant(tmp_path, "a", "b")
    kept = [path.read_bytes() for path in paths]
    join_files(tmp_path, now_ms=NOW_MS + DAY_MS)
    for path, content in zip(paths, kept, strict=True):
        path.write_bytes(content)
    assert subjects(tmp_path) == ["a", "b"]
    join_files(tmp_path, now_ms=NOW_MS + DAY_MS)
    assert names(tmp_path) == ["00000001-00000002.parquet"]


def test_retention__files_of_days_longer_ago__are_deleted(tmp_path: Path) -> None:
    for days in range(4):
        write_events(tmp_path, [exposure(f"{days}", received_at_ms=NOW_MS - days * DAY_MS)])
    assert delete_old_files(tmp_path, now_ms=NOW_MS, days=2) == 1
    assert subjects(tmp_path) == ["0", "1", "2"]


def test_upkeep__moves_what_is_due_joins_and_deletes(tmp_path: Path) -> None:
    upkeep = Upkeep(tmp_path, Bounds(rows=3, age_ms=DAY_MS, retention_days=2))
    write_tail(tmp_path, 0, exposure("a"), exposure("b"))
    upkeep.run(NOW_MS)
    assert (rows_in_tail(tmp_path), upkeep.figures.waiting, upkeep.figures.moved) == (2, 2, 0)
    write_tail(tmp_path, 1, exposure("c"))
    upkeep.run(NOW_MS + 1)
    assert (rows_in_tail(tmp_path), upkeep.figures.waiting, upkeep.figures.moved) == (0, 0, 3)
    plant(tmp_path, "d")
    upkeep.run(NOW_MS + DAY_MS)
    assert files_of(tmp_path) == [
        f"project=prj_1/exposures/date={_TODAY}/00000001-00000002.parquet"
    ]
    upkeep.run(NOW_MS + 3 * DAY_MS)
    assert (files_of(tmp_path), upkeep.figures.deleted_files) == ([], 1)


def test_upkeep__that_fails__is_counted_and_loses_nothing(tmp_path: Path) -> None:
    write_tail(tmp_path, 0, exposure("a"))
    (tmp_path / "project=prj_1").write_text("a file where a folder should be")
    upkeep = Upkeep(tmp_path, Bounds(rows=1, age_ms=DAY_MS, retention_days=0))
    with pytest.raises(OSError, match="project=prj_1"):
        upkeep.run(NOW_MS)
    assert (upkeep.figures.failures, upkeep.figures.waiting) == (1, 1)
    (tmp_path / "project=prj_1").unlink()
    upkeep.run(NOW_MS)
    assert subjects(tmp_path) == ["a"]


def test_join__past_a_file_that_is_away__never_hides_it(tmp_path: Path) -> None:
    paths = plant(tmp_path, "a", "b", "c", "d", "e")
    away = paths[2].rename(tmp_path / "away")
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 2
    away.rename(paths[2])
    assert subjects(tmp_path) == ["a", "b", "c", "d", "e"]
    join_files(tmp_path, now_ms=NOW_MS + DAY_MS)
    assert names(tmp_path) == ["00000001-00000005.parquet"]
    assert subjects(tmp_path) == ["a", "b", "c", "d", "e"]


def test_write__while_the_last_file_is_away__gives_no_number_again(tmp_path: Path) -> None:
    paths = plant(tmp_path, "a", "b")
    away = paths[1].rename(tmp_path / "away")
    plant(tmp_path, "c")
    assert names(tmp_path) == ["00000001.parquet", "00000003.parquet"]
    away.rename(paths[1])
    assert subjects(tmp_path) == ["a", "b", "c"]


def test_write__where_no_number_can_be_noted__goes_by_the_files(tmp_path: Path) -> None:
    (first,) = plant(tmp_path, "a")
    first.with_name(".last").unlink()
    first.with_name(".last").mkdir()
    plant(tmp_path, "b")
    assert names(tmp_path) == ["00000001.parquet", "00000002.parquet"]


def test_retention__counts_what_it_deletes_while_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_events(tmp_path, [exposure("a", received_at_ms=NOW_MS - 3 * DAY_MS)])
    counted = []

    def count_beside_a_reader(directory: Path, *asked: Any) -> Gone:
        with removing(directory) as unread:
            counted.append(unread)
        return count_gone(directory, *asked)

    monkeypatch.setattr(joining, "count_gone", count_beside_a_reader)
    with reading(tmp_path):
        assert delete_old_files(tmp_path, now_ms=NOW_MS, days=2) == 0
    assert gone_exposures(tmp_path, "prj_1") == (), "it is still there"
    assert delete_old_files(tmp_path, now_ms=NOW_MS, days=2) == 1
    assert counted == [False, True]
    assert len(gone_exposures(tmp_path, "prj_1")) == 1
