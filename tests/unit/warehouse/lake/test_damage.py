"""Files whose ends are good and whose middle is not."""

import os
from pathlib import Path

import duckdb
import pytest

from fairlot.engine.errors import FairlotError
from fairlot.warehouse.errors import DamagedLake, UnusableLogFile
from fairlot.warehouse.lake import EventKind, compact, open_lake, write_events
from fairlot.warehouse.lake.damage import known_damage, may_be_damage, note_damage
from fairlot.warehouse.lake.joining import join_files
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.log import read_exposures
from unit.warehouse.lake.planting import DAY_MS, files_of, rows_in_tail, write_tail
from unit.warehouse.records import NOW_MS, exposure

_MANY = [exposure(f"{number:05}") for number in range(2_000)]


def damaged(directory: Path) -> Path:
    """A file of 2,000 exposures with a hole, and a good one beside it."""
    (path,) = write_events(directory, _MANY)
    write_events(directory, [exposure("good")])
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(2_000) + content[2_100:])
    return path


def ids(directory: Path) -> set[str]:
    with open_lake(directory, "prj_1") as lake:
        rows = lake.connection.execute("SELECT event_id, subject_id FROM exposures").fetchall()
    return {subject_id for _, subject_id in rows}


def test_query__that_comes_to_a_damaged_page__names_the_file_and_the_next_leaves_it_out(
    tmp_path: Path,
) -> None:
    path = damaged(tmp_path)
    good = path.read_bytes()
    with pytest.raises(DamagedLake, match=path.name) as raised:
        ids(tmp_path)
    assert raised.value.paths == (path,)
    assert ids(tmp_path) == {"good"}
    with open_lake(tmp_path, "prj_1") as lake:
        assert [(each.path, each.problem[:7]) for each in lake.unreadable] == [(path, "damaged")]
    path.write_bytes(good)  # another file from now on, which is asked anew
    with pytest.raises(DamagedLake):
        ids(tmp_path)


def test_query__whose_error_was_wrapped__is_looked_into_as_well(tmp_path: Path) -> None:
    damaged(tmp_path)

    def ask(connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute("SELECT event_id FROM exposures").fetchall()
        except duckdb.Error as error:
            raise FairlotError("no result") from error

    with pytest.raises(DamagedLake), open_lake(tmp_path, "prj_1") as lake:
        ask(lake.connection)


def test_query__that_is_wrong__is_its_own_error(tmp_path: Path) -> None:
    damaged(tmp_path)
    with pytest.raises(duckdb.BinderException), open_lake(tmp_path, "prj_1") as lake:
        lake.connection.execute("SELECT no_such_column FROM exposures")


def test_compact__beside_a_damaged_file__goes_on_without_it(tmp_path: Path) -> None:
    damaged(tmp_path)
    write_tail(tmp_path, 0, _MANY[1_000])
    done = compact(tmp_path)
    assert done is not None and (done.events, rows_in_tail(tmp_path)) == (1, 0)
    assert ids(tmp_path) == {"good", "01000"}


def test_join__beside_a_damaged_file__leaves_it_and_the_next_joins_the_others(
    tmp_path: Path,
) -> None:
    path = damaged(tmp_path)
    write_events(tmp_path, [exposure("b")])
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 0
    assert join_files(tmp_path, now_ms=NOW_MS + DAY_MS) == 1
    assert len(files_of(tmp_path)) == 2 and path.exists()
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["good", "b"]


def test_damaged_file__restored_with_its_old_size_and_time__is_read_again(tmp_path: Path) -> None:
    (path,) = write_events(tmp_path, _MANY)
    good, stat = path.read_bytes(), path.stat()
    path.write_bytes(good[:100] + bytes(2_000) + good[2_100:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(DamagedLake):
        ids(tmp_path)
    assert ids(tmp_path) == set()
    path.write_bytes(good)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert len(ids(tmp_path)) == len(_MANY)


def test_sound_file__read_with_too_little_memory__is_not_called_damaged(tmp_path: Path) -> None:
    rows = [exposure(f"{at}", properties={"text": os.urandom(2_000).hex()}) for at in range(3_000)]
    (path,) = write_events(tmp_path, rows)
    with (
        pytest.raises(UnusableLogFile, match="OutOfMemory"),
        open_session(tmp_path, threads=1, memory_limit="10MB") as session,
    ):
        note_damage(session, tmp_path, EventKind.EXPOSURES, [path])
    assert known_damage(tmp_path) == {}


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (duckdb.InvalidInputException("no magic bytes"), True),
        (duckdb.IOException("could not read"), True),
        (duckdb.IOException("could not write: No space left on device"), False),
        (duckdb.OutOfMemoryException("too much"), False),
        (duckdb.InterruptException("stopped"), False),
        (OSError("gone"), False),
    ],
)
def test_error__of_the_file_or_of_something_else__is_told(error: Exception, is_one: bool) -> None:
    assert may_be_damage(error) is is_one
