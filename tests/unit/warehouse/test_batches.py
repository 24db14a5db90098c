import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from fairlot.events import ReceivedBatch
from fairlot.warehouse.log import (
    EventLog,
    LogTrouble,
    LogUnavailable,
    read_conversions,
    read_exposures,
    read_identities,
    read_senders,
)
from fairlot.warehouse.log_file import LogFile
from support.waiting import wait_for
from unit.warehouse.conftest import OpenLog
from unit.warehouse.records import conversion, exposure, identity, received


def take(log: EventLog, *batches: ReceivedBatch) -> None:
    """Record them and wait until they are durable."""

    async def record_all() -> None:
        await asyncio.gather(*(log.committed(log.record_batch(each)) for each in batches))

    asyncio.run(record_all())


def test_record_batch__committed__all_of_it_is_read_back(open_log: OpenLog, tmp_path: Path) -> None:
    events = exposure("a"), conversion("b", properties={"plan": "pro"}), identity("c")
    log = open_log()
    take(log, received(*events))
    assert list(read_exposures(tmp_path)) == [events[0]]
    assert list(read_conversions(tmp_path)) == [events[1]]
    assert list(read_identities(tmp_path)) == [events[2]]
    assert log.stats.committed == 3


def test_record_batch__with_other_records__one_ticket_counts_all_of_it(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(gather_s=0.2)
    assert log.record(exposure(), None) == 1
    assert log.record_batch(received(*(conversion() for _ in range(10)))) == 11
    assert log.record_batch(received(batch_seq=2)) == 12
    assert log.record(exposure(), None) == 13
    assert log.stats.queued == 13
    wait_for(lambda: log.stats.committed == 13)
    assert len(list(read_conversions(tmp_path))) == 10
    assert len(list(read_exposures(tmp_path))) == 2


def test_record_batch__nothing_else_waits__the_writer_wakes_up(open_log: OpenLog) -> None:
    log = open_log()
    for seq in range(1, 4):
        take(log, received(conversion(), batch_seq=seq))
    assert log.stats.queued == 0


def test_record_batch__came_before__counts_once_and_is_counted(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log, twice = open_log(), received(exposure(), conversion())
    take(log, twice)
    take(log, twice)
    take(log, twice, twice)
    assert len(list(read_exposures(tmp_path))) == len(list(read_conversions(tmp_path))) == 1
    assert log.stats.repeated_batches == 3


def test_record_batch__same_event_in_two_projects__counts_in_both(
    open_log: OpenLog, tmp_path: Path
) -> None:
    first = received(exposure(), conversion())
    second = msgspec.structs.replace(
        first,
        project_id="prj_2",
        exposures=[msgspec.structs.replace(first.exposures[0], project_id="prj_2")],
        conversions=[msgspec.structs.replace(first.conversions[0], project_id="prj_2")],
    )
    for log in (open_log(), open_log()):
        take(log, first, second)
    projects = ["prj_1", "prj_2"]
    assert sorted(each.project_id for each in read_exposures(tmp_path)) == projects
    assert sorted(each.project_id for each in read_conversions(tmp_path)) == projects
    assert [each.project_id for each in read_senders(tmp_path)] == projects


def test_record_batch__queue_half_full__is_refused_and_answers_are_not(open_log: OpenLog) -> None:
    log = open_log(queue_bound=20, gather_s=0.4)
    log.record_batch(received(*(conversion() for _ in range(9))))
    with pytest.raises(LogUnavailable) as caught:
        log.record_batch(received(conversion(), conversion()))
    assert caught.value.reason is LogTrouble.FULL
    log.record_batch(received(conversion(), batch_seq=2))
    for _ in range(10):
        log.record(exposure(), None)
    wait_for(lambda: log.stats.committed == 20)


def test_record_batch__larger_than_an_empty_queue__is_taken(
    open_log: OpenLog, tmp_path: Path
) -> None:
    take(open_log(queue_bound=5), received(*(conversion() for _ in range(50))))
    assert len(list(read_conversions(tmp_path))) == 50


def test_record_batch__closed__is_refused(open_log: OpenLog) -> None:
    log = open_log()
    log.close(5)
    with pytest.raises(LogUnavailable) as caught:
        log.record_batch(received(conversion()))
    assert caught.value.reason is LogTrouble.CLOSED


def test_record_batch__disk_full__nothing_of_it_is_there_until_there_is_room(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(max_pages=20)
    large = received(*(conversion(properties={"filling": "x" * 4000}) for _ in range(30)))
    with pytest.raises(LogUnavailable) as caught:
        take(log, large)
    assert caught.value.reason is LogTrouble.FAILED
    assert list(read_conversions(tmp_path)) == []
    with pytest.raises(LogUnavailable):
        log.record_batch(received(conversion("other")))
    log.cap_pages(None)
    wait_for(lambda: log.usable)
    take(log, large)
    assert len(list(read_conversions(tmp_path))) == 30


def test_log_file__batch_with_a_record_that_cannot_be_stored__leaves_nothing(
    tmp_path: Path,
) -> None:
    file = LogFile(tmp_path / "worker-0.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        file.append([], [], [received(conversion("good"), conversion(event_id=None))])
    file.close()
    assert list(read_conversions(tmp_path)) == []
    assert list(read_senders(tmp_path)) == []


def test_record_batch__one_that_cannot_be_stored__the_others_of_the_commit_are_whole(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(gather_s=0.3)
    good = received(conversion("a"), conversion("b"), sender_id="good")
    bad = received(conversion("c"), conversion(event_id=None), sender_id="bad")

    async def record_both() -> list[BaseException | None]:
        tickets = [log.record_batch(good), log.record_batch(bad)]
        waiting = (log.committed(ticket) for ticket in tickets)
        return await asyncio.gather(*waiting, return_exceptions=True)

    results = asyncio.run(record_both())
    assert all(isinstance(each, LogUnavailable) for each in results)  # who waits cannot be told
    assert [each.subject_id for each in read_conversions(tmp_path)] == ["a", "b"]
    assert [each.sender_id for each in read_senders(tmp_path)] == ["good"]
    assert log.stats.unstorable == 1
