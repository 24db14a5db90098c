"""How many events the event log takes, durable, on one core; and how many go on into Parquet.

    python benchmarks/ingest.py [--events 100000] [--in-flight 16] [--rounds 3]

Batches of 100 events are given to the log, so many at once, and each is done when it is on disk.
The bare loop puts the same rows, as the same bytes, into the same table of SQLite, one after the
other, with a transaction and an fsync a batch. The process is kept on one core. Time is CPU time,
of all threads: what else the machine does does not count; by the clock it is told too.
Then all of it is compacted, and each event is counted.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import asyncio
import gc
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlot.engine.model import Reason
from fairlot.events import Exposure, ReceivedBatch, new_event_id
from fairlot.warehouse.lake import compact, open_lake
from fairlot.warehouse.log import EventLog
from fairlot.warehouse.log_file import LogFile

AIM = 20_000
BATCH = 100
SESSIONS = 5_000
PROJECT = "prj_1"


class Took(NamedTuple):
    cpu_s: float
    wall_s: float


def main() -> None:
    arguments = _arguments()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    batches = a_log(arguments.events)
    events = arguments.events
    ours: list[Took] = []
    bare: list[Took] = []
    moved: list[Took] = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="fairlot-ingest-") as name:
            ours.append(timed(lambda: asyncio.run(take(Path(name), batches, arguments.in_flight))))
            moved.append(timed(lambda: compacted(Path(name), events)))
        with tempfile.TemporaryDirectory(prefix="fairlot-ingest-") as name:
            bare.append(timed(lambda: insert(Path(name), batches)))
    taken, inserted = told("event log", ours, events), told("bare SQLite", bare, events)
    told("compaction", moved, events)
    print(f"ratio       {taken / inserted:.2f} of the bare loop")
    print(f"aim         {AIM:,}/s: {'met' if taken >= AIM else 'MISSED'}")


def a_log(events: int) -> list[ReceivedBatch]:
    now_ms = time.time_ns() // 1_000_000
    rows = [an_exposure(number, now_ms + number // 20) for number in range(events)]
    return [
        ReceivedBatch(
            project_id=PROJECT,
            sender_id="bench",
            batch_seq=number + 1,
            sent=BATCH,
            rejected=0,
            events_before=number * BATCH,
            dropped_total=0,
            source="bench",
            received_at_ms=some[0].received_at_ms,
            exposures=some,
        )
        for number, start in enumerate(range(0, events, BATCH))
        if (some := rows[start : start + BATCH])
    ]


def an_exposure(number: int, at_ms: int) -> Exposure:
    subject_id = f"visitor-{number * 7919 % 1_000_003:07}"
    return Exposure(
        event_id=new_event_id(at_ms),
        project_id=PROJECT,
        experiment_id="exp_01JD8Q1V7Z9K",
        experiment_key="checkout-button",
        subject_id=subject_id,
        unit_id=subject_id,
        variant_key="blue" if number % 2 else "control",
        variant_id="var_01JD8Q1V7Z9K",
        manifest_version=12,
        hash_version=1,
        reason=Reason.BUCKET,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        session_id=f"session-{number % SESSIONS}",
        device="mobile" if number % 3 else "desktop",
        url="https://shop.example/checkout",
        source="bench",
        sender_id="bench",
        batch_seq=number // BATCH + 1,
    )


async def take(directory: Path, batches: list[ReceivedBatch], in_flight: int) -> None:
    log = EventLog.open(directory, queue_bound=4 * BATCH * in_flight)
    waiting = iter(batches)

    async def send() -> None:
        for batch in waiting:
            await log.committed(log.record_batch(batch))

    await asyncio.gather(*(send() for _ in range(in_flight)))
    await asyncio.to_thread(log.close, 10)


def insert(directory: Path, batches: list[ReceivedBatch]) -> None:
    path = directory / "worker-0.sqlite"
    LogFile(path).close()
    encode = msgspec.json.Encoder().encode
    statement = (
        "INSERT INTO exposures (event_id, project_id, experiment_key, received_at_ms, body)"
        " VALUES (?, ?, ?, ?, ?)"
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA synchronous = FULL")
        for batch in batches:
            file.execute("BEGIN IMMEDIATE")
            for one in batch.exposures:
                row = (one.event_id, PROJECT, one.experiment_key, one.received_at_ms, encode(one))
                file.execute(statement, row)
            file.execute("COMMIT")


def compacted(directory: Path, events: int) -> None:
    compact(directory)
    with open_lake(directory, PROJECT, threads=1) as lake:
        row = lake.connection.execute("SELECT count(DISTINCT event_id) FROM exposures").fetchone()
    if row != (events,):
        raise SystemExit(f"{events} events were recorded, and {row} are there")


def timed(work: Callable[[], None]) -> Took:
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - cpu_s, time.perf_counter() - wall_s)


def told(name: str, rounds: list[Took], events: int) -> float:
    """Events a second of CPU time, the median of the rounds."""
    a_second = events / statistics.median(each.cpu_s for each in rounds)
    wall = events / statistics.median(each.wall_s for each in rounds)
    print(f"{name:<11} {a_second:>9,.0f} events/s of CPU, {wall:>9,.0f}/s by the clock")
    return a_second


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
