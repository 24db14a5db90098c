from pathlib import Path

from fairlot.warehouse.assigned import assigned_units
from fairlot.warehouse.log_file import LogFile
from unit.warehouse.records import NOW_MS, assignment


def test_assigned_units__several_workers_remember_a_unit__counts_once(tmp_path: Path) -> None:
    kept = {0: ["anna", "ben"], 1: ["ben", "cleo"], 2: ["anna", "dora"]}
    for worker, units in kept.items():
        file = LogFile(tmp_path / f"worker-{worker}.sqlite")
        file.append([], [assignment(unit) for unit in units])
        file.close()
    (tmp_path / "worker-9.sqlite").touch()  # is being made
    experiment_id = assignment().experiment_id
    assert assigned_units(tmp_path, experiment_id, NOW_MS, NOW_MS + 1) == {"blue": 4}
    assert assigned_units(tmp_path, experiment_id, NOW_MS + 1, NOW_MS + 2) == {}


def test_assigned_units__more_files_than_can_be_compared__is_not_known(tmp_path: Path) -> None:
    for worker in range(10):
        LogFile(tmp_path / f"worker-{worker}.sqlite").close()
    assert assigned_units(tmp_path, "exp_1", 0, 1) is None
