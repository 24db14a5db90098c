import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.log import read_exposures
from fairlot.warehouse.log_file import LogFile
from unit.warehouse.records import assignment, exposure


def written(path: Path, subjects: int = 200) -> Path:
    file = LogFile(path)
    file.append([exposure(str(number)) for number in range(subjects)], [assignment("anna")])
    file.close()
    return path


def aside(directory: Path) -> list[Path]:
    return sorted(directory.glob("worker-0.corrupt-*"))


@pytest.mark.parametrize("kept_bytes", [20, 5_000, 60_000])
def test_log_file__cut_short__is_kept_aside_and_a_fresh_one_opened(
    tmp_path: Path, kept_bytes: int
) -> None:
    path = written(tmp_path / "worker-0.sqlite")
    content = path.read_bytes()
    path.write_bytes(content[:kept_bytes])
    file = LogFile(path)
    file.append([exposure("fresh")], [])
    file.close()
    assert [each.read_bytes() for each in aside(tmp_path)] == [content[:kept_bytes]]
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["fresh"]


@pytest.mark.parametrize("offset", [0, 30_000])
def test_log_file__overwritten_with_rubbish__is_kept_aside(tmp_path: Path, offset: int) -> None:
    path = written(tmp_path / "worker-0.sqlite")
    content = bytearray(path.read_bytes())
    content[offset : offset + 9000] = b"rubbish! " * 1000
    path.write_bytes(content)
    LogFile(path).close()
    assert [each.read_bytes() for each in aside(tmp_path)] == [bytes(content)]
    assert list(read_exposures(tmp_path)) == []


def test_log_file__of_a_newer_schema__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "worker-0.sqlite")
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(UnusableLogFile, match="newer"):
        LogFile(path)
    assert len(list(read_exposures(tmp_path))) == 200


def test_log_file__failed_append__leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.sqlite"
    file = LogFile(path)
    with pytest.raises(UnicodeEncodeError):
        file.append([exposure("good"), exposure("bad \ud800")], [])
    file.append([exposure("later")], [assignment("anna")])
    file.close()
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["later"]


def test_log_file__record_that_breaks_a_rule__is_no_known_event(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "worker-0.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        file.append([exposure(event_id=None)], [])
    file.close()


def test_log_file__others_write_to_it__waits_without_the_sleeps_of_sqlite(
    tmp_path: Path,
) -> None:
    path = tmp_path / "worker-0.sqlite"
    LogFile(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        def they_are_done(_: float) -> None:
            other.execute("COMMIT")

        file = LogFile(path, pause=they_are_done)
        other.execute("BEGIN IMMEDIATE")
        file.append([exposure("anna")], [])
        assert not other.in_transaction
        file.close()
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["anna"]
