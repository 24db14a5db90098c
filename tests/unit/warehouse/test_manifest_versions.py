import shutil
from pathlib import Path

import pytest

from fairlot.events import Trust
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.manifest_versions import highest_manifest_versions
from unit.warehouse.conftest import OpenLog
from unit.warehouse.records import exposure, received
from unit.warehouse.test_schema import OLD_FILE

LIMIT = 1_000_000


def test_highest_manifest_versions__several_files_and_projects__are_the_highest_of_each(
    tmp_path: Path, open_log: OpenLog
) -> None:
    first, second = open_log(), open_log()
    first.record(exposure(manifest_version=3), None)
    first.record(exposure(manifest_version=5), None)
    second.record(exposure(manifest_version=4), None)
    second.record_batch(received(exposure(manifest_version=9, project_id="prj_2", sender_id="s")))
    first.close(5)
    second.close(5)
    assert highest_manifest_versions(tmp_path, LIMIT) == {"prj_1": 5, "prj_2": 9}


def test_highest_manifest_versions__of_anyone_or_past_the_limit__are_not_believed(
    tmp_path: Path, open_log: OpenLog
) -> None:
    log = open_log()
    log.record(exposure(manifest_version=3), None)
    log.record_batch(received(exposure(manifest_version=8, trust=Trust.PUBLIC)))
    log.record_batch(received(exposure(manifest_version=LIMIT + 1), batch_seq=2))
    log.close(5)
    assert highest_manifest_versions(tmp_path, LIMIT) == {"prj_1": 3}


def test_highest_manifest_versions__no_log__are_none(tmp_path: Path) -> None:
    assert highest_manifest_versions(tmp_path / "events", LIMIT) == {}


def test_highest_manifest_versions__file_of_an_earlier_version__is_read(tmp_path: Path) -> None:
    shutil.copy(OLD_FILE, tmp_path / "worker-0.sqlite")
    assert highest_manifest_versions(tmp_path, LIMIT) == {"prj_1": 1, "prj_2": 1}


def test_highest_manifest_versions__damaged_file__is_an_error(tmp_path: Path) -> None:
    (tmp_path / "worker-0.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(UnusableLogFile):
        highest_manifest_versions(tmp_path, LIMIT)
