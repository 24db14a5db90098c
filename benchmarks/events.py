"""How many events of subjects go through the rules of a project, on one core.

    python benchmarks/events.py [--batches 60] [--subjects 2000] [--rounds 3]

Conversions are posted to `.../events` in batches of 500, to the routes in this process, which is
kept on one core: parsed, put into the event log, shown to 100 rules, and committed to the profiles
before each answer. Time is CPU time, of all threads of the process: what else the machine does
does not count, but it makes both figures smaller. Of the rules 70 activate a personalization (20
of them by the third event within an hour) and 30 keep a property; every event is watched by five
of them, and one of seven or so activates something. All of it is on disk, in SQLite. The bare loop
is what nothing can be faster than: it decodes the same batches and looks up the five rules of each
event, and keeps nothing.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import asyncio
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from fairlot.engine import EventRule, PropertyRule, Take
from fairlot.service.snapshot import ProjectServing
from support.batches import a_batch, conversion_row
from support.personalization_bench import (
    HOUR_MS,
    a_personalization,
    a_property,
    a_ruled_project,
)
from support.serving import KEY_SECRET, NOW_MS, Desk, a_desk, a_snapshot, an_api_key

AIM = 5_000
BATCH = 500
AT_ONCE = 4
EVENTS = 20
DAY_MS = 86_400_000
PATH = "/api/v1/orgs/default/projects/default/events"
KEY = f"fx_key_ingest00.{KEY_SECRET}"


def project() -> ProjectServing:
    """Of each event name: three rules of one event, one that counts, and a property or two."""
    personalizations = [
        a_personalization(f"offer-{number}", when=rule, for_ms=HOUR_MS, control_share_bp=1000)
        for number, rule in enumerate(activation_rules())
    ]
    return a_ruled_project(*personalizations, properties=tuple(property_rules()))


def activation_rules() -> Iterator[EventRule]:
    for number in range(50):
        yield EventRule(f"event-{number % EVENTS}", {"price": {"$gte": 90 + number % 10}})
    for number in range(20):
        yield EventRule(f"event-{number % EVENTS}", count=3, within_ms=HOUR_MS)


def property_rules() -> Iterator[PropertyRule]:
    takes = list(Take)
    for number in range(30):
        path = "page" if number % 2 else "price"
        yield a_property(f"p-{number}", f"event-{number % EVENTS}", path, takes[number % 6])


def bodies(subjects: int, count: int, ends_ms: int, chance: random.Random) -> list[bytes]:
    """Batches of events of any subject, within a day, in the order of time."""
    made = []
    for number in range(count):
        rows = [
            conversion_row(
                f"e-{number}-{row}-{chance.random()}",
                subject_id=f"subject-{chance.randrange(subjects)}",
                event_name=f"event-{chance.randrange(EVENTS)}",
                at=ends_ms - (count - number) * DAY_MS // count + row,
                properties={"price": chance.randrange(100), "page": f"/p/{chance.randrange(50)}"},
            )
            for row in range(BATCH)
        ]
        made.append(msgspec.json.encode(a_batch(*rows, batch_seq=number + 1)))
    return made


def measured(desk: Desk, batches: list[bytes]) -> float:
    """Events per second. Some batches are under way at once, as those of several senders are."""

    async def send_all() -> None:
        waiting = iter(batches)

        async def send() -> None:
            for body in waiting:
                headers = {"authorization": f"Bearer {KEY}"}
                answer = await desk.client.send("POST", PATH, body, headers)
                if answer.status != 200:
                    raise SystemExit(f"{answer.status} {answer.body.decode()}")

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))

    started_at = time.process_time()
    desk.client.run(send_all())
    return len(batches) * BATCH / (time.process_time() - started_at)


def bare_loop(ruled: ProjectServing, batches: list[bytes]) -> float:
    watching, looked_at = ruled.rules.watching, 0
    started_at = time.process_time()
    for body in batches:
        for event in msgspec.json.decode(body)["events"]:
            found = watching[event["event_name"]]
            rules = [each.when for each in found.triggered]
            for rule in (*rules, *(each.when for each in found.captured)):
                looked_at += rule.counts(event["properties"])
    return len(batches) * BATCH / (time.process_time() - started_at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--subjects", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ruled = project()
    snapshot = a_snapshot(ruled, api_keys={"ingest00": an_api_key("ingest")})
    rates, bare = [], []
    with tempfile.TemporaryDirectory() as directory, a_desk(Path(directory), snapshot) as desk:
        gc.collect()  # as a worker of the server spares itself collections
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        for number in range(arguments.rounds):
            ends_ms = NOW_MS - (arguments.rounds - 1 - number) * DAY_MS
            chance = random.Random(number)  # noqa: S311
            batches = bodies(arguments.subjects, arguments.batches, ends_ms, chance)
            bare.append(bare_loop(ruled, batches))
            rates.append(measured(desk, batches))
            print(f"round {number + 1}: {rates[-1]:,.0f} events/s, bare loop {bare[-1]:,.0f}")
        activated = len(desk.exposures())
    rate = statistics.median(rates)
    print(f"activations recorded: {activated:,}")
    print(f"ratio to the bare loop: 1/{statistics.median(bare) / rate:.0f}")
    print(f"{'met   ' if rate >= AIM else 'MISSED'} {AIM:,} events/s on one core: {rate:,.0f}")


if __name__ == "__main__":
    main()
