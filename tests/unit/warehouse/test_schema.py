"""`schema_1.sqlite` was written by the version before senders could send events of their own."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.events import Assignment, Exposure
from fairlot.warehouse.log import (
    EventLog,
    UnusableLogFile,
    count_exposures,
    read_conversions,
    read_exposures,
    read_senders,
)
from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.schema import SCHEMA_STEPS
from unit.warehouse.records import NOW_MS, assignment, conversion, exposure, received

OLD_FILE = Path(__file__).with_name("schema_1.sqlite")
SUBJECTS = ["anna", "bert", "cleo"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "worker-0.sqlite"
    shutil.copyfile(OLD_FILE, path)
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


def tables_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        return {name: " ".join(sql.replace('"', "").split()) for name, sql in found}


def repeated(seen: Exposure) -> Exposure:
    return exposure(seen.subject_id, event_id=seen.event_id, project_id=seen.project_id)


def test_old_file__opened__keeps_all_that_it_holds(old: Path, tmp_path: Path) -> None:
    assert version_of(old) == 1
    before = list(read_exposures(tmp_path))
    assert [each.subject_id for each in before] == SUBJECTS
    log = EventLog.open(tmp_path)
    try:
        assert log.path == old
        assert list(read_exposures(tmp_path)) == before
        assert log.stored_assignments("exp_1", "anna") == [assignment("anna")]
        (stored,) = log.stored_assignments("exp_1", "bert")
        assert stored == Assignment("exp_1", "checkout", "bert", "red", 1, NOW_MS)
    finally:
        log.close(5)
    assert version_of(old) == len(SCHEMA_STEPS)
    assert list(read_exposures(tmp_path)) == before
    assert sum(count_exposures(tmp_path, project_id="prj_1").values()) == 2


def test_old_file__opened__has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    LogFile(old).close()
    LogFile(tmp_path / "worker-1.sqlite").close()
    assert tables_of(old) == tables_of(tmp_path / "worker-1.sqlite")


def test_old_file__event_that_it_holds__still_counts_once(old: Path, tmp_path: Path) -> None:
    before = list(read_exposures(tmp_path))
    file = LogFile(old)
    file.append([repeated(each) for each in before], [], [received(conversion())])
    file.close()
    assert list(read_exposures(tmp_path)) == before
    assert len(list(read_conversions(tmp_path))) == 1


def test_old_file__beside_a_new_one__is_read_as_it_is(old: Path, tmp_path: Path) -> None:
    """A file whose worker has not come back is still of the old schema."""
    before = list(read_exposures(tmp_path))
    file = LogFile(tmp_path / "worker-1.sqlite")
    elsewhere = exposure("dora", event_id=before[0].event_id, project_id="prj_9")
    file.append([repeated(before[0]), elsewhere], [], [received(conversion())])
    file.close()
    found = sorted(each.subject_id for each in read_exposures(tmp_path))
    assert found == [*SUBJECTS, "dora"]
    assert len(list(read_conversions(tmp_path))) == len(list(read_senders(tmp_path))) == 1
    assert version_of(old) == 1


def test_old_file__that_cannot_be_brought_up_to_date__is_left_as_it_is(
    old: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TABLE batches (something TEXT)")
    with pytest.raises(UnusableLogFile, match="cannot be opened"):
        EventLog.open(tmp_path)
    assert version_of(old) == 1
    assert [each.subject_id for each in read_exposures(tmp_path)] == SUBJECTS
