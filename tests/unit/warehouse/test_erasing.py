"""Deleting subjects from the files of the log: what is gone is gone from every byte."""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.events import Assignment, Conversion, Exposure, Identity, ReceivedBatch
from fairlot.profiles import subject_identifier
from fairlot.warehouse.erasing import (
    RECEIVED_LATER_MS,
    Erasure,
    empty_wal,
    erase,
    erased_in,
    note_emptied,
)
from fairlot.warehouse.files import bring_up_to_date, worker_files
from fairlot.warehouse.lake import compact
from fairlot.warehouse.log import EventLog, read_conversions, read_exposures, read_identities
from fairlot.warehouse.opening import open_read_only
from fairlot.warehouse.schema import SCHEMA_STEPS
from fairlot.warehouse.slots import claim_file
from support.traces import traces_in
from unit.warehouse.conftest import OpenLog
from unit.warehouse.lake.planting import write_tail
from unit.warehouse.records import (
    NOW_MS,
    assignment,
    conversion,
    exposure,
    identity,
    received,
)

ADA = "ada-lovelace-7c1f"
"""No other text holds it."""


def digest_of(subject_id: str) -> bytes:
    return subject_identifier(subject_id).digest()


def an_erasure(*names: str, **fields: Any) -> Erasure:
    plain: dict[str, Any] = {
        "id": "del_1",
        "project_id": "prj_1",
        "digests": frozenset(map(digest_of, names)),
        "experiment_ids": frozenset({"exp_1"}),
        "by_account": frozenset(),
        "at_ms": NOW_MS,
    }
    return Erasure(**plain | fields)


def take(log: EventLog, batch: ReceivedBatch, assignments: Iterable[Assignment] = ()) -> None:
    async def record_all() -> None:
        log.record_batch(batch)
        for each in assignments:
            log.record(None, each)
        await log.committed(log.record(None, assignment("nobody")))

    asyncio.run(record_all())


def erase_in(path: Path, *erasures: Erasure) -> None:
    erase(path, erasures, digest_of, since="")


def units_in(path: Path) -> set[str]:
    with closing(open_read_only(path)) as file:
        return {unit for (unit,) in file.execute("SELECT unit_id FROM assignments")}


def test_erase__a_subject__is_gone_from_every_byte_while_the_log_is_open(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log()
    rows: list[Exposure | Conversion | Identity] = [
        exposure(ADA, url=f"/{ADA}"),
        exposure("bo"),
        conversion(ADA, properties={"text": "long " * 3_000 + ADA}),
        conversion("bo"),
        identity(ADA),
        identity("phone", user_id=ADA),
        identity("bo"),
    ]
    take(log, received(*rows), [assignment(ADA), assignment("bo")])
    assert traces_in(tmp_path, ADA)

    erase_in(log.path, an_erasure(ADA))

    assert traces_in(tmp_path, ADA)  # the write-ahead log holds the old pages
    assert empty_wal(log.path, 5)
    assert traces_in(tmp_path, ADA) == set()
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["bo"]
    assert [each.subject_id for each in read_conversions(tmp_path)] == ["bo"]
    assert [each.subject_id for each in read_identities(tmp_path)] == ["bo"]
    assert units_in(log.path) == {"bo", "nobody"}


def test_erase__an_account_that_is_called_so__stays(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    rows = [
        exposure("bo", unit_id=ADA, experiment_id="exp_team"),
        exposure("cy", unit_id=ADA),
        exposure(ADA, unit_id="team", experiment_id="exp_team"),
    ]
    take(log, received(*rows), [msgspec.structs.replace(assignment(ADA), experiment_id="exp_team")])

    erase_in(log.path, an_erasure(ADA, by_account=frozenset({"exp_team"})))

    assert [each.subject_id for each in read_exposures(tmp_path)] == ["bo"]
    assert units_in(log.path) == {ADA, "nobody"}


def test_erase__then_more_is_recorded__goes_on(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    take(log, received(exposure(ADA)))

    erase_in(log.path, an_erasure(ADA))
    take(log, received(exposure("cy"), batch_seq=2))

    assert [each.subject_id for each in read_exposures(tmp_path)] == ["cy"]


def test_erase__units_that_were_moved_from_page_to_page__leave_no_copy(
    open_log: OpenLog, tmp_path: Path
) -> None:
    """Assignments are ordered by unit: pages are split again and again, around those of hers."""
    log = open_log()
    numbers = [number * 7919 % 10_007 for number in range(4_000)]
    names = [f"{ADA}-{number:05}" for number in numbers]
    for start in range(0, len(names), 500):
        take(log, received(), [assignment(name) for name in names[start : start + 500]])

    erase_in(log.path, an_erasure(*names))

    assert empty_wal(log.path, 5)
    assert traces_in(tmp_path, ADA) == set()


def test_erase__of_another_project__touches_nothing(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    take(log, received(exposure(ADA), conversion(ADA)), [assignment(ADA)])

    erase_in(log.path, an_erasure(ADA, project_id="prj_2", experiment_ids=frozenset({"exp_2"})))

    assert len(list(read_exposures(tmp_path))) == 1
    assert len(list(read_conversions(tmp_path))) == 1
    assert ADA in units_in(log.path)


def test_erase__somebody_who_came_back_later__begins_anew(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log()
    later_ms = NOW_MS + RECEIVED_LATER_MS
    back = exposure(ADA, received_at_ms=later_ms)
    take(log, received(exposure(ADA), back), [assignment(ADA, at_ms=later_ms)])

    erase_in(log.path, an_erasure(ADA))

    assert list(read_exposures(tmp_path)) == [back]
    assert ADA in units_in(log.path)


def test_erase__exposures_by_account__are_the_subjects(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    take(log, received(exposure(ADA, unit_id="acme"), exposure("bo", unit_id="acme")))

    erase_in(log.path, an_erasure(ADA))

    assert [each.subject_id for each in read_exposures(tmp_path)] == ["bo"]


def test_erase__many_rows__finds_all_of_hers(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log(queue_bound=100_000)
    rows = [conversion(ADA if number % 3 == 0 else f"s{number}") for number in range(2_100)]
    take(log, received(*rows))

    erase_in(log.path, an_erasure(ADA))

    assert len(list(read_conversions(tmp_path))) == 1_400


def test_erased_in__a_file__says_what_was_done(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    assert erased_in(log.path) == {}

    erase_in(log.path, an_erasure(ADA), an_erasure("bo", id="del_2"))
    assert erased_in(log.path) == {"del_1": False, "del_2": False}

    note_emptied(log.path)
    erase(log.path, [an_erasure("cy", id="del_3")], digest_of, since="del_2")
    assert erased_in(log.path) == {"del_2": True, "del_3": False}


def test_empty_wal__somebody_reads_the_file__says_that_it_could_not(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log()
    take(log, received(exposure(ADA)))
    with closing(open_read_only(log.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM exposures").fetchone()
        erase_in(log.path, an_erasure(ADA))

        assert not empty_wal(log.path, 0.1)
        assert traces_in(tmp_path, ADA)

    assert empty_wal(log.path, 5)
    assert traces_in(tmp_path, ADA) == set()


def test_open__a_file_of_an_older_schema__is_freed_of_traces(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA secure_delete = OFF")  # some builds have it on
        for number, step in enumerate(SCHEMA_STEPS[:2], start=1):
            old.executescript(f"{step} PRAGMA user_version = {number};")
        for number in range(500):
            one = exposure(f"{ADA}-{number}")
            old.execute(
                "INSERT INTO exposures (event_id, project_id, experiment_key, received_at_ms, body)"
                " VALUES (?, 'prj_1', 'checkout', ?, ?)",
                (one.event_id, NOW_MS, msgspec.json.encode(one)),
            )
        old.execute("DELETE FROM exposures")
        old.commit()
    assert traces_in(tmp_path, ADA)

    bring_up_to_date(path)

    assert traces_in(tmp_path, ADA) == set()
    assert erased_in(path) == {}


def test_erased_in__a_file_of_an_older_schema__has_erased_nothing(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE exposures (seq INTEGER)")

    assert erased_in(path) == {}


def test_claim_file__a_worker_holds_it__is_not_given(open_log: OpenLog) -> None:
    log = open_log()
    assert claim_file(log.path) is None

    log.close(1)
    slot = claim_file(log.path)
    assert slot is not None
    slot.release()


def test_flush__returned__what_was_queued_is_on_disk(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log(gather_s=0.1)
    log.record(exposure(ADA), None)

    assert log.flush(5)

    assert len(list(read_exposures(tmp_path))) == 1


def test_flush__commits_fail__says_so(open_log: OpenLog) -> None:
    log = open_log(max_pages=30)
    log.record(exposure(ADA, properties={"text": "long " * 50_000}), None)

    assert not log.flush(0.2)


@pytest.mark.parametrize("forgets", [False, True])
def test_forget_answers__an_assignment_was_deleted__is_written_again(
    open_log: OpenLog, forgets: bool
) -> None:
    log = open_log()
    take(log, received(), [assignment(ADA)])
    erase_in(log.path, an_erasure(ADA))
    if forgets:
        log.forget_answers()

    take(log, received(batch_seq=2), [assignment(ADA)])

    assert (ADA in units_in(log.path)) is forgets


def test_erase__a_number_given_again_meanwhile__does_not_delete_the_new_event(
    tmp_path: Path,
) -> None:
    write_tail(tmp_path, 0, *[exposure(f"s{number}") for number in range(10)])
    asked: list[str] = []

    def digest_while_others_write(subject_id: str) -> bytes:
        asked.append(subject_id)
        if subject_id == "s9":
            assert compact(tmp_path) is not None
            write_tail(tmp_path, 0, *[exposure(f"new{number}") for number in range(10)])
        return digest_of(subject_id)

    erase(tmp_path / "worker-0.sqlite", [an_erasure("s3")], digest_while_others_write, since="")
    assert "s3" in asked
    found = {each.subject_id for each in read_exposures(tmp_path)}
    assert found >= {f"new{number}" for number in range(10)}


def test_worker_files__a_copy_beside_them__is_none(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    take(log, received(exposure("bo")))
    for name in ("worker-0.bak.sqlite", "worker-00.sqlite", "worker-.sqlite", "worker-1 .sqlite"):
        (tmp_path / name).write_bytes(log.path.read_bytes())
    assert worker_files(tmp_path) == [log.path]
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["bo"]
