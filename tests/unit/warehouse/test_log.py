import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.events import Exposure
from fairlot.warehouse.log import (
    EventLog,
    LogTrouble,
    LogUnavailable,
    UnusableLogFile,
    read_exposures,
)
from unit.warehouse.conftest import OpenLog
from unit.warehouse.records import NOW_MS, assignment, conversion, exposure, received


def store(log: EventLog, *exposures: Exposure) -> None:
    """Record them and wait until they are durable."""

    async def record_all() -> None:
        await asyncio.gather(*(log.committed(log.record(each, None)) for each in exposures))

    asyncio.run(record_all())


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    give_up_at = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.005)
    return True


def test_log__recorded_and_committed__is_read_back_whole(open_log: OpenLog, tmp_path: Path) -> None:
    first = exposure("anna", url="https://shop.example/a?b=c", properties={"plan": ["pro", 1.5]})
    store(open_log(), first)
    assert list(read_exposures(tmp_path)) == [first]


def test_log__nobody_waits__is_committed_all_the_same(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    log.record(exposure(), None)
    assert eventually(lambda: log.stats.committed == 1)
    assert len(list(read_exposures(tmp_path))) == 1
    assert log.stats.queued == 0


def test_log__many_at_once_from_many_threads__all_are_durable(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log()

    def record_some(name: int) -> None:
        store(log, *(exposure(f"{name}-{number}") for number in range(200)))

    threads = [threading.Thread(target=record_some, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.subject_id for each in read_exposures(tmp_path)}) == 800


def test_log__repeated_event_id__counts_once(open_log: OpenLog, tmp_path: Path) -> None:
    log, twice = open_log(), exposure()
    store(log, twice)
    store(log, twice, twice)
    assert list(read_exposures(tmp_path)) == [twice]


def test_log__closed__has_written_what_was_queued(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log(gather_s=0.4)
    for number in range(50):
        log.record(exposure(str(number)), None)
    log.close(10)
    log.close(10)
    assert len(list(read_exposures(tmp_path))) == 50
    with pytest.raises(LogUnavailable) as caught:
        log.record(exposure(), None)
    assert caught.value.reason is LogTrouble.CLOSED
    assert not log.usable


def test_log__queue_at_its_bound__refuses_and_keeps_what_it_has(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(queue_bound=3, gather_s=0.4)
    for number in range(3):
        log.record(exposure(str(number)), None)
    with pytest.raises(LogUnavailable) as caught:
        log.record(exposure("one too many"), None)
    assert caught.value.reason is LogTrouble.FULL
    assert log.usable
    assert eventually(lambda: log.stats.committed == 3)
    store(log, exposure("later"))
    assert len(list(read_exposures(tmp_path))) == 4


def test_log__large_records__fill_the_queue_by_what_they_weigh(open_log: OpenLog) -> None:
    log = open_log(queue_bound=10, gather_s=0.4)
    log.record_all([exposure(properties={"filling": "x" * 1500})] * 2, [])
    refusals: tuple[Callable[[], int], ...] = (
        lambda: log.record(exposure(), None),
        lambda: log.record_all([], [assignment()]),
        lambda: log.record_batch(received(conversion())),
    )
    for refused in refusals:
        with pytest.raises(LogUnavailable) as caught:
            refused()
        assert caught.value.reason is LogTrouble.FULL
    assert eventually(lambda: log.stats.committed == 2)
    store(log, exposure("later"))


def test_log__nine_thousand_answers_of_ten__wait_until_the_file_is_free(
    open_log: OpenLog,
) -> None:
    """As Choose records it. A pause of the disk must not refuse answers."""
    log = open_log(gather_s=0.4)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        for _ in range(9_000):
            log.record_all([exposure(url="https://shop.example/")] * 10, [])
        busy.execute("COMMIT")
    assert eventually(lambda: log.stats.queued == 0)


def test_log__disk_full__refuses_until_there_is_room_and_loses_nothing(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(max_pages=12)
    accepted = []
    while log.usable:
        each = exposure(properties={"filling": "x" * 2000})
        with suppress(LogUnavailable):
            log.record(each, None)
            accepted.append(each.event_id)
    with pytest.raises(LogUnavailable) as caught:
        log.record(exposure(), None)
    assert caught.value.reason is LogTrouble.FAILED
    assert log.stats.failed > 0
    log.cap_pages(None)
    assert eventually(lambda: log.usable)
    assert eventually(lambda: log.stats.queued == 0)
    assert [each.event_id for each in read_exposures(tmp_path)] == accepted


def test_log__commit_fails__those_who_wait_are_told_though_it_stays_queued(
    open_log: OpenLog,
) -> None:
    log = open_log(max_pages=8)
    too_large = exposure(properties={"filling": "x" * 200_000})

    async def record_and_wait() -> None:
        ticket = log.record(too_large, None)
        with pytest.raises(LogUnavailable) as caught:
            await log.committed(ticket)
        assert caught.value.reason is LogTrouble.FAILED
        with pytest.raises(LogUnavailable):
            await log.committed(ticket)
        log.cap_pages(None)
        assert await asyncio.to_thread(eventually, lambda: log.usable)
        await log.committed(ticket)

    asyncio.run(record_and_wait())


def test_log__closed_while_commits_fail__tells_those_who_wait(open_log: OpenLog) -> None:
    log = open_log(max_pages=8)
    log.record(exposure(properties={"filling": "x" * 200_000}), None)
    assert eventually(lambda: not log.usable)
    started = time.monotonic()
    log.close(0.1)
    assert time.monotonic() - started < 5
    assert log.stats.queued == 1


def test_committed__asked_after_the_log_has_ended__raises(open_log: OpenLog) -> None:
    log = open_log(max_pages=8)
    ticket = log.record(exposure(properties={"filling": "x" * 200_000}), None)
    log.close(0.1)
    assert log.stats.queued == 1
    with pytest.raises(LogUnavailable) as caught:
        asyncio.run(asyncio.wait_for(log.committed(ticket), 5))
    assert caught.value.reason is LogTrouble.CLOSED


def test_log__record_that_cannot_be_stored__is_dropped_alone(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log(gather_s=0.2)

    async def record_both() -> list[object]:
        tickets = [log.record(exposure(name), None) for name in ("good", "bad \ud800", "fine")]
        tickets.append(log.record(None, assignment("worse \udfff")))
        waits = (log.committed(ticket) for ticket in tickets)
        return await asyncio.gather(*waits, return_exceptions=True)

    outcomes = asyncio.run(record_both())
    assert all(isinstance(each, LogUnavailable) for each in outcomes)
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["good", "fine"]
    assert log.usable
    assert log.stats.unstorable == 2
    store(log, exposure("next"))


def test_log__file_removed_while_open__starts_another(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    store(log, exposure("before"))
    for path in tmp_path.glob("worker-0.sqlite*"):
        path.unlink()
    log.record(exposure("after"), None)
    assert eventually(lambda: log.stats.committed == 2)
    assert [each.subject_id for each in read_exposures(tmp_path)] == ["after"]


def test_log__slots__lowest_free_one_is_taken_again(open_log: OpenLog) -> None:
    first, second = open_log(), open_log()
    assert [log.path.name for log in (first, second)] == ["worker-0.sqlite", "worker-1.sqlite"]
    first.close(5)
    assert open_log().path.name == "worker-0.sqlite"
    assert open_log().path.name == "worker-2.sqlite"


def test_log__directory_that_cannot_be__is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableLogFile):
        EventLog.open(tmp_path / "file" / "events")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_log__in_a_forked_child__refuses_everything(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    store(log, exposure("before"))
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (
            lambda: log.record(exposure(), None),
            lambda: log.stored_assignments("exp_1", "anna"),
            lambda: asyncio.run(log.committed(99)),
        ):
            try:
                use()
            except LogUnavailable as error:
                refused += error.reason is LogTrouble.FORKED
        log.close(1)
        os._exit(0 if refused == 3 and not log.usable else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store(log, exposure("after"))
    assert len(list(read_exposures(tmp_path))) == 2


def test_stored_assignments__first_answer__stays_until_another(open_log: OpenLog) -> None:
    log = open_log()

    def assign(variant_key: str, at_ms: int) -> list[tuple[str, int]]:
        before = log.stats.committed
        log.record(None, assignment("anna", variant_key, at_ms))
        assert eventually(lambda: log.stats.committed > before)
        found = log.stored_assignments("exp_1", "anna")
        return [(each.variant_key, each.assigned_at_ms) for each in found]

    assert assign("blue", NOW_MS) == [("blue", NOW_MS)]
    assert assign("blue", NOW_MS + 5) == [("blue", NOW_MS)]
    assert assign("red", NOW_MS + 9) == [("red", NOW_MS + 9)]
    assert assign("red", NOW_MS + 11) == [("red", NOW_MS + 9)]
    assert assign("blue", NOW_MS + 12) == [("blue", NOW_MS + 12)]
    assert log.stored_assignments("exp_1", "bert") == []
    assert log.stored_assignments("exp_2", "anna") == []


def test_stored_assignments__after_a_restart__are_there(open_log: OpenLog) -> None:
    log = open_log()
    log.record(None, assignment("anna"))
    log.close(5)
    assert open_log().stored_assignments("exp_1", "anna") == [assignment("anna")]


def test_stored_assignments__still_queued__are_found(open_log: OpenLog) -> None:
    log = open_log(gather_s=0.5)
    log.record(None, assignment("anna", "blue"))
    log.record(None, assignment("anna", "blue", NOW_MS + 1))
    assert log.stored_assignments("exp_1", "anna") == [assignment("anna", "blue")]
    assert log.stats.committed == 0


def test_stored_assignments__of_other_workers__are_found_earliest_first(open_log: OpenLog) -> None:
    first = open_log()
    assert first.stored_assignments("exp_1", "anna") == []
    second = open_log()
    second.record(None, assignment("anna", "red", NOW_MS))
    assert eventually(lambda: second.stats.committed == 1)
    first.record(None, assignment("anna", "blue", NOW_MS + 5))
    assert eventually(lambda: first.stats.committed == 1)
    for log in (first, second):
        found = log.stored_assignments("exp_1", "anna")
        assert [each.variant_key for each in found] == ["red", "blue"]


def test_stored_assignments__a_file_that_is_damaged__is_passed_over_and_reported_once(
    open_log: OpenLog, tmp_path: Path
) -> None:
    log = open_log()
    log.record(None, assignment("anna"))
    assert eventually(lambda: log.stats.committed == 1)
    (tmp_path / "worker-1.sqlite").write_bytes(b"rubbish" * 1000)
    (tmp_path / "worker-2.sqlite").write_bytes(b"")
    with capture_logs() as logs:
        found = [log.stored_assignments("exp_1", "anna") for _ in range(3)]
    assert found == [[assignment("anna")]] * 3
    assert [Path(each["file"]).name for each in logs] == ["worker-1.sqlite"]


def test_stored_assignments__many_units__each_has_its_own(open_log: OpenLog) -> None:
    log = open_log()
    for number in range(300):
        log.record(None, assignment(f"{number}", "ab"[number % 2]))
    assert eventually(lambda: log.stats.committed == 300)
    for number in range(0, 300, 7):
        (found,) = log.stored_assignments("exp_1", f"{number}")
        assert found.variant_key == "ab"[number % 2]


def test_committed__many_wait__one_wake_up_a_commit(open_log: OpenLog) -> None:
    log = open_log(gather_s=0.2)

    async def wait_for_all() -> int:
        loop = asyncio.get_running_loop()
        wake_ups, call = 0, loop.call_soon_threadsafe

        def count(*arguments: object, **options: object) -> asyncio.Handle:
            nonlocal wake_ups
            wake_ups += 1
            return call(*arguments, **options)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = count  # type: ignore[method-assign]
        await asyncio.gather(*(log.committed(log.record(exposure(), None)) for _ in range(100)))
        return wake_ups

    assert asyncio.run(wait_for_all()) <= 3


def test_committed__a_task_was_cancelled__the_others_go_on(open_log: OpenLog) -> None:
    log = open_log(gather_s=0.2)

    async def cancel_one() -> list[bool]:
        tasks = [
            asyncio.ensure_future(log.committed(log.record(exposure(), None))) for _ in range(3)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        return [task.cancelled() or task.exception() is not None for task in tasks]

    assert asyncio.run(cancel_one()) == [False, True, False]


def test_committed__its_loop_is_gone__the_writer_goes_on(open_log: OpenLog) -> None:
    log = open_log(gather_s=0.2)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log.committed(log.record(exposure(), None)), 0.01)

    asyncio.run(give_up())
    assert eventually(lambda: log.stats.committed == 1)
    store(log, exposure())
