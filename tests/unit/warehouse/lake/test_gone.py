from pathlib import Path

from fairlot.events.records import Actor
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.lake.gone import GoneExposures, count_gone, gone_exposures, note_gone
from fairlot.warehouse.lake.joining import delete_old_files
from fairlot.warehouse.lake.layout import all_partitions
from unit.warehouse.lake.planting import DAY_MS
from unit.warehouse.records import NOW_MS, conversion, exposure


def plant(directory: Path, days_ago: int, **changes: object) -> None:
    at_ms = NOW_MS - days_ago * DAY_MS
    for subject in ("anna", "ben"):
        row = exposure(subject, occurred_at_ms=at_ms, received_at_ms=at_ms, **changes)
        write_events(directory, [row])


def gone(count: int, first_days: int, last_days: int, experiment: str = "exp_1") -> GoneExposures:
    first_ms, last_ms = NOW_MS - first_days * DAY_MS, NOW_MS - last_days * DAY_MS
    return GoneExposures("prj_1", experiment, "checkout", count, first_ms, last_ms)


def test_gone__days_deleted_one_by_one__add_up_by_experiment(tmp_path: Path) -> None:
    for days_ago in range(5):
        plant(tmp_path, days_ago)
    plant(tmp_path, 4, experiment_id="exp_2")
    assert gone_exposures(tmp_path, "prj_1") == ()
    delete_old_files(tmp_path, now_ms=NOW_MS, days=3)
    assert gone_exposures(tmp_path, "prj_1") in (
        (gone(2, 4, 4), gone(2, 4, 4, "exp_2")),
        (gone(2, 4, 4, "exp_2"), gone(2, 4, 4)),
    )
    delete_old_files(tmp_path, now_ms=NOW_MS, days=1)
    assert gone(6, 4, 2) in gone_exposures(tmp_path, "prj_1")
    assert gone_exposures(tmp_path, "prj_2") == ()


def test_gone__killed_between_the_note_and_the_deletion__is_counted_once(tmp_path: Path) -> None:
    plant(tmp_path, 4)
    note_gone(tmp_path, count_gone(tmp_path, all_partitions(tmp_path)))
    delete_old_files(tmp_path, now_ms=NOW_MS, days=3)
    assert gone_exposures(tmp_path, "prj_1") == (gone(2, 4, 4),)


def test_gone__bots_conversions_and_what_cannot_be_read__are_not_counted(tmp_path: Path) -> None:
    plant(tmp_path, 4, actor=Actor.BOT)
    write_events(tmp_path, [conversion(received_at_ms=NOW_MS - 4 * DAY_MS)])
    plant(tmp_path, 4)
    *_, broken = sorted(tmp_path.rglob("exposures/*/*.parquet"))
    broken.write_bytes(b"PAR1")
    assert delete_old_files(tmp_path, now_ms=NOW_MS, days=3) == 5
    assert gone_exposures(tmp_path, "prj_1") == (
        GoneExposures("prj_1", "exp_1", "checkout", 1, NOW_MS - 4 * DAY_MS, NOW_MS - 4 * DAY_MS),
    )


def test_gone__nothing_can_be_written__is_deleted_all_the_same(tmp_path: Path) -> None:
    plant(tmp_path, 4)
    (tmp_path / ".lake-gone.json.partial").mkdir()
    assert delete_old_files(tmp_path, now_ms=NOW_MS, days=3) == 2
    assert gone_exposures(tmp_path, "prj_1") == ()
