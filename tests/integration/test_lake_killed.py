"""Compaction killed at random points: no event is lost, and none counts twice."""

import asyncio
import os
import random
import time
from itertools import count
from pathlib import Path

import pytest

from fairlot.warehouse.lake import compact, open_lake
from fairlot.warehouse.log import EventLog
from support.compacting import compaction, half_written
from unit.warehouse.records import conversion, exposure, received

pytestmark = pytest.mark.slow

KILLS = 50
HALF_WRITTEN_AT_LEAST = 10
ROWS_A_ROUND = 400
ROWS_AT_ONCE = 300
SLOWEST_S = 60.0


class Recorder:
    """Records through two workers' logs, and knows what was acknowledged."""

    def __init__(self, directory: Path) -> None:
        self.logs = [EventLog.open(directory), EventLog.open(directory)]
        self.acknowledged = 0
        self._numbers = count()

    def record(self, rows: int) -> None:
        """Half exposures, half conversions, and each tenth through both."""
        at_ms = time.time_ns() // 1_000_000
        events = [
            (exposure if number % 2 else conversion)(
                f"subject-{number}",
                event_id=f"event-{number:06}",
                occurred_at_ms=at_ms,
                received_at_ms=at_ms,
                properties={"padding": os.urandom(40).hex()},
            )
            for number in (next(self._numbers) for _ in range(rows))
        ]
        asyncio.run(self._commit(self.logs[0], events))
        asyncio.run(self._commit(self.logs[1], events[::10]))
        self.acknowledged += rows

    async def _commit(self, log: EventLog, events: list) -> None:  # type: ignore[type-arg]
        await log.committed(log.record_batch(received(*events)))


def seen(directory: Path) -> tuple[int, int]:
    """All events, and how many different ones."""
    with open_lake(directory, "prj_1", threads=1) as lake:
        assert lake.unreadable == ()
        row = lake.connection.execute(
            "SELECT count(*), count(DISTINCT event_id) FROM (SELECT event_id FROM exposures"
            " UNION ALL SELECT event_id FROM conversions)"
        ).fetchone()
    assert row is not None
    return row


def kill_at_random(
    directory: Path, recorder: Recorder, random_: random.Random, longest_s: float
) -> bool:
    """Whether it hit a half-written file. Every other one is aimed at those: else most hit none."""
    process = compaction(directory, ROWS_AT_ONCE)
    aimed = random_.random() < 0.5
    give_up_at = time.monotonic() + SLOWEST_S
    if aimed:
        while process.is_alive() and not half_written(directory) and time.monotonic() < give_up_at:
            time.sleep(0.0002)
        time.sleep(random_.uniform(0, 0.004))
    else:
        recorder.record(20)
        time.sleep(random_.uniform(0, longest_s))
    process.kill()
    process.join()
    return bool(half_written(directory))


def test_compaction__killed_50_times__no_event_is_lost_and_none_is_there_twice(
    tmp_path: Path,
) -> None:
    random_ = random.Random(20261128)  # noqa: S311 - when to kill is no secret
    recorder = Recorder(tmp_path)
    recorder.record(ROWS_A_ROUND)
    began = time.monotonic()
    process = compaction(tmp_path, ROWS_AT_ONCE)
    process.join(SLOWEST_S)
    assert process.exitcode == 0
    longest_s = time.monotonic() - began
    hits = 0
    for number in range(KILLS):
        recorder.record(ROWS_A_ROUND)
        hits += kill_at_random(tmp_path, recorder, random_, longest_s)
        if number % 4:  # what is lost stays so, and is found the next time
            continue
        assert seen(tmp_path) == (recorder.acknowledged, recorder.acknowledged)
    compact(tmp_path)
    assert seen(tmp_path) == (recorder.acknowledged, recorder.acknowledged)
    assert half_written(tmp_path) == []
    for log in recorder.logs:
        log.close(5)
    print(f"{hits} of {KILLS} kills hit a half-written file")
    assert hits >= HALF_WRITTEN_AT_LEAST
