from pathlib import Path

import pytest

from fairlot.engine.model import Reason
from fairlot.warehouse.log import (
    ExposureGroup,
    UnusableLogFile,
    count_exposures,
    read_conversions,
    read_exposures,
    read_identities,
)
from fairlot.warehouse.log_file import LogFile
from unit.warehouse.records import NOW_MS, conversion, exposure, identity, received


def write(directory: Path, worker: int, *exposures: object) -> None:
    file = LogFile(directory / f"worker-{worker}.sqlite")
    file.append(list(exposures), [])  # type: ignore[arg-type]
    file.close()


def test_read_exposures__several_files__by_the_time_they_were_received(tmp_path: Path) -> None:
    for worker in range(3):
        write(
            tmp_path,
            worker,
            *(
                exposure(f"{at}", received_at_ms=NOW_MS + at)
                for at in reversed(range(worker, 30, 3))
            ),
        )
    assert [each.subject_id for each in read_exposures(tmp_path)] == [str(at) for at in range(30)]


def test_read_exposures__by_experiment_and_project__the_others_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        0,
        exposure("a"),
        exposure("b", experiment_key="prices"),
        exposure("c", project_id="prj_2"),
    )

    def subjects(**chosen: str) -> list[str]:
        return [each.subject_id for each in read_exposures(tmp_path, **chosen)]

    assert subjects(experiment_key="checkout") == ["a", "c"]
    assert subjects(project_id="prj_1") == ["a", "b"]
    assert subjects(experiment_key="prices", project_id="prj_2") == []


def test_exposures__an_id_in_several_files__counts_once(tmp_path: Path) -> None:
    twice = exposure("a")
    for worker in range(3):
        write(tmp_path, worker, twice, exposure(f"own-{worker}"))
    assert len(list(read_exposures(tmp_path))) == 4
    assert sum(count_exposures(tmp_path).values()) == 4


def test_count_exposures__per_experiment_variant_and_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        0,
        exposure("a"),
        exposure("b", variant_key="red"),
        exposure("c", reason=Reason.STICKY),
    )
    write(tmp_path, 1, exposure("d"), exposure("e", experiment_key="prices"))
    assert count_exposures(tmp_path) == {
        ExposureGroup("checkout", "blue", "bucket"): 2,
        ExposureGroup("checkout", "red", "bucket"): 1,
        ExposureGroup("checkout", "blue", "sticky"): 1,
        ExposureGroup("prices", "blue", "bucket"): 1,
    }
    assert count_exposures(tmp_path, experiment_key="prices") == {
        ExposureGroup("prices", "blue", "bucket"): 1
    }


@pytest.mark.parametrize("there", [True, False])
def test_readers__nothing_recorded__find_nothing(tmp_path: Path, there: bool) -> None:
    directory = tmp_path / "events"
    if there:
        directory.mkdir()
        (directory / "worker-0.sqlite").write_bytes(b"")
    assert list(read_exposures(directory)) == []
    assert count_exposures(directory) == {}


def test_readers__a_file_that_is_damaged__say_which(tmp_path: Path) -> None:
    (tmp_path / "worker-3.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(UnusableLogFile) as caught:
        list(read_exposures(tmp_path))
    assert caught.value.path.name == "worker-3.sqlite"


def test_read_conversions__several_files__once_each_by_time_and_name(tmp_path: Path) -> None:
    twice = conversion("twice", received_at_ms=NOW_MS + 1)
    late = conversion("late", received_at_ms=NOW_MS + 2, event_name="refund")
    for worker, events in enumerate([(late, twice), (conversion("first"), twice)]):
        file = LogFile(tmp_path / f"worker-{worker}.sqlite")
        file.append([], [], [received(*events)])
        file.close()
    assert [each.subject_id for each in read_conversions(tmp_path)] == ["first", "twice", "late"]
    refunds = read_conversions(tmp_path, event_name="refund", project_id="prj_1")
    assert list(refunds) == [late]
    assert list(read_conversions(tmp_path, project_id="prj_2")) == []


def test_read_identities__several_files__once_each(tmp_path: Path) -> None:
    twice = identity("twice")
    for worker in range(2):
        file = LogFile(tmp_path / f"worker-{worker}.sqlite")
        file.append([], [], [received(twice, identity(f"{worker}"))])
        file.close()
    found = sorted(each.subject_id for each in read_identities(tmp_path))
    assert found == ["0", "1", "twice"]
    assert list(read_identities(tmp_path, project_id="prj_2")) == []
