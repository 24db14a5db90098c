import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake import EventKind, compact, open_lake, write_events
from fairlot.warehouse.lake.joining import join_files
from fairlot.warehouse.lake.layout import Numbers
from fairlot.warehouse.lake.locks import removing
from fairlot.warehouse.lake.writing import put
from fairlot.warehouse.log import read_conversions, read_exposures
from unit.warehouse.lake.planting import DAY_MS, Event, subjects, write_tail
from unit.warehouse.records import NOW_MS, conversion, exposure, identity


def test_lake__of_a_directory_that_is_not_there__is_empty(tmp_path: Path) -> None:
    assert [subjects(tmp_path / "none", kind=kind) for kind in EventKind] == [[], [], []]


def test_lake__files_and_tail__both_of_the_project_only(tmp_path: Path) -> None:
    write_events(
        tmp_path,
        [exposure("a"), conversion("a"), identity("a"), exposure("other", project_id="prj_2")],
    )
    write_tail(
        tmp_path,
        0,
        exposure("b"),
        conversion("b"),
        identity("b"),
        exposure("other", project_id="prj_2"),
    )
    assert [subjects(tmp_path, kind=kind) for kind in EventKind] == [["a", "b"]] * 3


def test_lake__columns__are_the_public_ones_alike_in_files_and_tail(tmp_path: Path) -> None:
    said = {
        "occurred_at_ms": NOW_MS - 1,
        "properties": {"price": 9.5, "n": [1, None], "text": "ü\x00\n'"},
        "batch_seq": 7,
    }
    write_events(tmp_path, [conversion("a", **said)])
    write_tail(tmp_path, 0, conversion("b", **said))
    with open_lake(tmp_path, "prj_1") as lake:
        found = lake.connection.execute(
            "SELECT * EXCLUDE (event_id, subject_id) FROM conversions"
        ).fetchall()
        types = lake.connection.execute("DESCRIBE conversions").fetchall()
    assert found[0] == found[1]
    columns = {
        name: value
        for (name, *_), value in zip(
            [each for each in types if each[0] not in ("event_id", "subject_id")],
            found[0],
            strict=True,
        )
    }
    assert columns == {
        "project_id": "prj_1",
        "event_name": "order",
        "value": 9.5,
        "occurred_at": datetime.fromtimestamp((NOW_MS - 1) / 1000, UTC),
        "received_at": datetime.fromtimestamp(NOW_MS / 1000, UTC),
        "tenant_id": None,
        "session_id": None,
        "actor": "human",
        "trust": "server",
        "source": None,
        "sender_id": None,
        "batch_seq": 7,
        "properties": '{"price":9.5,"n":[1,null],"text":"ü\\u0000\\n\'"}',
    }
    assert {name: kind for name, kind, *_ in types} == EventKind.CONVERSIONS.columns


def test_lake__an_id_in_files_and_in_several_tails__counts_once(tmp_path: Path) -> None:
    twice = exposure("a")
    write_events(tmp_path, [twice])
    for worker in range(2):
        write_tail(tmp_path, worker, twice, exposure(f"own-{worker}"))
    assert subjects(tmp_path) == ["a", "own-0", "own-1"]


def test_lake__an_id_of_30_days_ago__counts_once_and_later_again(tmp_path: Path) -> None:
    early, late = exposure("early"), exposure("late")
    write_events(tmp_path, [early, late])
    for event, days in ((early, 31), (late, 30)):
        again = exposure(
            event.subject_id, event_id=event.event_id, received_at_ms=NOW_MS + days * DAY_MS
        )
        write_tail(tmp_path, days, again)
    assert subjects(tmp_path) == ["early", "early", "late"]


def test_lake__a_file_made_of_several__stands_for_them(tmp_path: Path) -> None:
    (first,) = write_events(tmp_path, [exposure("a")])
    write_events(tmp_path, [exposure("b")])
    with open_lake(tmp_path, "prj_1") as lake:
        select = "SELECT * REPLACE ('joined' AS subject_id) FROM exposures LIMIT 1"
        put(lake.connection, select, first.with_name(Numbers(1, 2).name))
    assert subjects(tmp_path) == ["joined"]
    (next_one,) = write_events(tmp_path, [exposure("c")])
    assert (first.name, next_one.name) == ("00000001.parquet", "00000003.parquet")


@pytest.mark.parametrize("damage", [b"", b"PAR1 no more than this", None])
def test_lake__a_damaged_file__is_named_and_left_out(tmp_path: Path, damage: bytes | None) -> None:
    write_events(tmp_path, [exposure("a")])
    (bad,) = write_events(tmp_path, [exposure("b", received_at_ms=NOW_MS + DAY_MS)])
    bad.write_bytes(bad.read_bytes()[:-9] if damage is None else damage)
    with open_lake(tmp_path, "prj_1") as lake:
        assert lake.connection.execute("SELECT subject_id FROM exposures").fetchall() == [("a",)]
        (left_out,) = lake.unreadable
    assert left_out.path == bad and left_out.problem


def test_lake__a_file_with_columns_of_another_type__is_left_out(tmp_path: Path) -> None:
    (good,) = write_events(tmp_path, [exposure("a")])
    with open_lake(tmp_path, "prj_1") as lake:
        other = good.with_name("00000007.parquet")
        lake.connection.execute(
            f"COPY (SELECT * REPLACE ('noon' AS occurred_at) FROM exposures) TO '{other}'"  # noqa: S608
        )
    with open_lake(tmp_path, "prj_1") as lake:
        assert [each.path for each in lake.unreadable] == [other]
    assert "another type: occurred_at" in lake.unreadable[0].problem
    assert subjects(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("1 AS a, event_id", "without columns of its events: project_id, subject_id, occurred_at"),
        ("* EXCLUDE (experiment_key)", "without columns of its events: experiment_key"),
        ("* REPLACE (NULL AS variant_key)", "events with null in variant_key"),
        (
            "* REPLACE (nullif(subject_id, 'b') AS subject_id, NULL AS event_id)",
            "events with null in event_id, subject_id",
        ),
    ],
)
@pytest.mark.parametrize("is_alone", [False, True])
def test_lake__a_file_without_keys__is_named_and_left_out(
    tmp_path: Path, columns: str, problem: str, is_alone: bool
) -> None:
    (good,) = write_events(tmp_path, [exposure("a"), exposure("b")])
    other = good.with_name("00000007.parquet")
    with open_lake(tmp_path, "prj_1") as lake:
        lake.connection.execute(f"COPY (SELECT {columns} FROM exposures) TO '{other}'")  # noqa: S608
    if is_alone:
        good.unlink()
    with open_lake(tmp_path, "prj_1") as lake:
        assert [each.path for each in lake.unreadable] == [other]
    if not is_alone:
        assert problem in lake.unreadable[0].problem
    assert subjects(tmp_path) == ([] if is_alone else ["a", "b"])


@pytest.mark.parametrize("event", [conversion("a"), identity("a")])
@pytest.mark.parametrize("key", ["subject_id", "received_at", "name"])
def test_lake__a_file_of_another_kind_without_keys__is_named(
    tmp_path: Path, event: Event, key: str
) -> None:
    (good,) = write_events(tmp_path, [event])
    kind = EventKind(good.parent.parent.name)
    column = key if key != "name" else kind.keys[-1]
    other = good.with_name("00000007.parquet")
    with open_lake(tmp_path, "prj_1") as lake:
        select = f"SELECT * REPLACE (NULL AS {column}) FROM {kind}"  # noqa: S608
        put(lake.connection, select, other)
    with open_lake(tmp_path, "prj_1") as lake:
        (named,) = lake.unreadable
    assert named.path == other
    assert subjects(tmp_path, kind=kind) == ["a"]


def test_lake__a_file_of_other_writers__may_leave_out_what_has_a_default(tmp_path: Path) -> None:
    (good,) = write_events(tmp_path, [exposure("a")])
    with open_lake(tmp_path, "prj_1") as lake:
        lake.connection.execute(
            "COPY (SELECT * EXCLUDE (actor, trust, sender_id)"  # noqa: S608
            " REPLACE ('b' AS subject_id, 'own' AS event_id, NULL AS manifest_version)"
            f" FROM exposures) TO '{good.with_name('00000002.parquet')}'"
        )
    with open_lake(tmp_path, "prj_1") as lake:
        assert lake.unreadable == ()
    assert subjects(tmp_path) == ["a", "b"]


def test_lake__copies_of_a_file__are_named_and_left_out(tmp_path: Path) -> None:
    paths = write_events(tmp_path, [exposure("a"), exposure("b", received_at_ms=NOW_MS + DAY_MS)])
    copies = [
        paths[0].with_name("00000001 (copy).parquet"),
        paths[0].with_name("00000002.parquet"),
        # by its name it stands for the file that is there
        paths[1].with_name("00000001-00000009.parquet"),
    ]
    for copy in copies:
        copy.write_bytes(paths[0].read_bytes())
    join_files(tmp_path, now_ms=NOW_MS + 9 * DAY_MS)
    with open_lake(tmp_path, "prj_1") as lake:
        problems = {each.path: each.problem for each in lake.unreadable}
    assert sorted(problems) == sorted(copies)
    assert problems[copies[1]].startswith("a copy of project=prj_1/exposures/date=")
    assert subjects(tmp_path) == ["a", "b"]


def test_lake__a_file_of_another_program__is_read_by_its_name(tmp_path: Path) -> None:
    (path,) = write_events(tmp_path, [exposure("a")])
    theirs = path.with_name("00000002.parquet")
    with open_lake(tmp_path, "prj_1") as lake:
        lake.connection.execute(f"COPY (SELECT * FROM exposures) TO '{theirs}'")  # noqa: S608
    path.unlink()
    assert subjects(tmp_path) == ["a"]


def test_lake__a_damaged_worker_file__is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "worker-0.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(UnusableLogFile, match=r"worker-0\.sqlite: cannot be read"):
        subjects(tmp_path)


def test_lake__while_it_is_open__nobody_removes_a_file_and_writers_go_on(tmp_path: Path) -> None:
    write_events(tmp_path, [exposure("a")])
    with open_lake(tmp_path, "prj_1") as lake:
        with removing(tmp_path) as alone:
            assert not alone
        write_events(tmp_path, [exposure("b")])
        write_tail(tmp_path, 0, exposure("c"))
        assert lake.connection.execute("SELECT count(*) FROM exposures").fetchone() == (1,)
    with removing(tmp_path) as alone:
        assert alone
    assert subjects(tmp_path) == ["a", "b", "c"]


def test_lake__while_files_are_removed__waits(tmp_path: Path) -> None:
    write_events(tmp_path, [exposure("a")])
    with removing(tmp_path):
        found: list[list[str]] = []
        waiting = threading.Thread(target=lambda: found.append(subjects(tmp_path)))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join(10)
    assert found == [["a"]]


def test_written_file__lies_in_its_project_kind_and_day_of_receipt(tmp_path: Path) -> None:
    before_midnight = int(datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC).timestamp()) * 1000
    written = write_events(
        tmp_path,
        [
            exposure("a", received_at_ms=before_midnight),
            exposure("b", received_at_ms=before_midnight + 1000),
            exposure("c", project_id="a/b c"),
        ],
    )
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "project=a%2Fb%20c/exposures/date=2026-11-23/00000001.parquet",
        "project=prj_1/exposures/date=2026-11-28/00000001.parquet",
        "project=prj_1/exposures/date=2026-11-29/00000001.parquet",
    ]
    assert subjects(tmp_path, "a/b c") == ["c"]


def test_lake__that_does_not_fit_into_memory__says_so_without_a_word_of_the_events(
    tmp_path: Path,
) -> None:
    rows = [exposure(f"{at}", properties={"secret": "x" * 9_000}) for at in range(3_000)]
    write_tail(tmp_path, 0, *rows)
    with (
        pytest.raises(UnusableLogFile, match=r"DuckDB gave up \(OutOfMemory") as raised,
        open_lake(tmp_path, "prj_1", threads=1, memory_limit="12MB"),
    ):
        pass
    assert raised.value.path == tmp_path and raised.value.__suppress_context__


def test_lake__of_texts_and_a_folder_with_any_signs__holds_them(tmp_path: Path) -> None:
    signs = 'it\'s "a\\b"; -- %s [x]*?{y} $1 /../ \n\t\u00e9\U0001f600'
    folder = tmp_path / signs.replace("/", "")
    folder.mkdir()
    for subject in (signs, "b"):
        row = exposure(subject, project_id=signs, experiment_key=signs, properties={signs: signs})
        write_tail(folder, 0, row, conversion(subject, event_name=signs, project_id=signs))
        assert compact(folder) is not None
    write_tail(folder, 0, exposure("c", project_id=signs, experiment_key=signs))
    assert join_files(folder, now_ms=NOW_MS + DAY_MS) == 2
    assert subjects(folder, signs) == sorted(["b", "c", signs])
    for chosen in (signs, "other"):
        found = read_exposures(folder, experiment_key=chosen, project_id=signs)
        assert len(list(found)) == 3 * (chosen == signs)
    found_of_event = read_conversions(folder, event_name=signs, project_id=signs)
    assert {each.subject_id for each in found_of_event} == {signs, "b"}
