"""How long a profile takes that is not in memory, beside a bare look-up; and how many are written.

    python benchmarks/profiles.py [--profiles 200000] [--finds 3000] [--database-url URL]

Profiles of about 1 KiB with three identifiers each are put into a database that is on disk, a few
thousand of them through the writer, with a login each. Then profiles are found one after the other,
each for the first time, through the event loop and a thread, as a request does; and the same ones
by a bare sqlite3 look-up of the same rows, on one connection, without decoding them. The aim is
for the embedded store.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from fairlot.profiles import Profile, claim_of_source, subject_identifier
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles import PROFILES_FILE, open_profile_store
from fairlot.store.profiles.changes import next_change
from fairlot.store.profiles.rows import add_profiles, name_profiles
from fairlot.warehouse.log import EventLog

AIM_MS = 5.0
PROJECT = "prj_benchmark"
NOW_MS = 1_790_000_000_000
BATCH = 1_000
WRITTEN = 4_000
BARE = (
    "SELECT body FROM profile_identifiers JOIN profiles ON profiles.id = profile_id"
    " WHERE profile_identifiers.project_id = ? AND digest = ?"
)


def described(profile: Profile) -> Profile:
    attributes = {f"attribute_{number}": f"value {number} " * 2 for number in range(20)}
    return msgspec.structs.replace(profile, attributes=attributes)


def work(number: int) -> Work:
    claim = claim_of_source("web", f"visitor-{number}", user_id=f"user-{number}@example.com")
    return Work(PROJECT, claim, NOW_MS, steps=[described])


def fill(profiles: KnownProfiles, count: int) -> None:
    """In bulk."""
    for start in range(0, count, BATCH):
        with profiles.store.writing() as connection:
            change_no = next_change(connection)
            made = [made_profile(number) for number in range(start, start + BATCH)]
            add_profiles(connection, made, change_no)
            names = {name: each.id for each in made for name in each.identifiers}
            name_profiles(connection, PROJECT, names)


def made_profile(number: int) -> Profile:
    claim = work(number).claim
    return described(
        Profile(
            id=f"pro_{number:026}",
            project_id=PROJECT,
            subject_id=claim.subject_ids[0],
            created_at_ms=NOW_MS,
            last_seen_at_ms=NOW_MS,
            identifiers=(*claim.find, subject_identifier(claim.subject_ids[0]), *claim.names),
            user_id=claim.user_id,
        )
    )


async def write(profiles: KnownProfiles, start: int, count: int) -> float:
    """How many were written in a second of CPU time, of all threads."""
    began = time.process_time()
    for first in range(start, start + count, BATCH):
        await profiles.apply_all([work(number) for number in range(first, first + BATCH)])
    return count / (time.process_time() - began)


async def found_ms(profiles: KnownProfiles, numbers: list[int]) -> list[float]:
    took = []
    for number in numbers:
        identifier = subject_identifier(f"user-{number}@example.com")
        began = time.perf_counter()
        profile = await profiles.find(PROJECT, [identifier])
        took.append((time.perf_counter() - began) * 1000)
        if profile is None:
            raise SystemExit(f"user-{number} was not found")
    return took


def bare_ms(path: Path, numbers: list[int]) -> list[float]:
    took = []
    with closing(sqlite3.connect(path)) as connection:
        for number in numbers:
            digest = subject_identifier(f"user-{number}@example.com").digest()
            began = time.perf_counter()
            connection.execute(BARE, (PROJECT, digest)).fetchone()
            took.append((time.perf_counter() - began) * 1000)
    return took


def quantiles(took: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def measure(directory: Path, count: int, finds: int, url: str | None) -> None:
    with opened(directory, url) as profiles:
        fill(profiles, count)
        rate = asyncio.run(write(profiles, count, WRITTEN))
    numbers = random.Random(1).sample(range(count), finds)  # noqa: S311 - the same each time
    with opened(directory, url) as profiles:
        median, p99 = quantiles(asyncio.run(found_ms(profiles, numbers)))
    print(f"written, with a login each: {rate:,.0f} a second of CPU time")
    print(f"{count + WRITTEN:,} profiles")
    print(f"found, not in memory: median {median:.2f} ms, p99 {p99:.2f} ms")
    if url is not None:
        return
    bare_median, bare_p99 = quantiles(bare_ms(directory / PROFILES_FILE, numbers))
    print(f"bare sqlite3 look-up: median {bare_median:.3f} ms, p99 {bare_p99:.3f} ms")
    print(f"ratio: median {median / bare_median:.1f}, p99 {p99 / bare_p99:.1f}")
    met = "met" if p99 < AIM_MS else "MISSED"
    print(f"aim: p99 under {AIM_MS:g} ms: {met}")


@contextmanager
def opened(directory: Path, url: str | None) -> Iterator[KnownProfiles]:
    """With an empty memory."""
    log = EventLog.open(directory / "events")
    profiles = KnownProfiles(open_profile_store(directory, url), log, NO_RULES, lambda: NOW_MS)
    try:
        yield profiles
    finally:
        profiles.close(10)
        log.close(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profiles", type=int, default=200_000)
    parser.add_argument("--finds", type=int, default=3_000)
    parser.add_argument("--database-url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), asked.profiles, asked.finds, asked.database_url)


if __name__ == "__main__":
    main()
