"""Profiles over a real database and a real event log, and a clock that stands still."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlot.events import Exposure, Identity
from fairlot.profiles import Claim, Happening, Identifier, Profile, claim_of_subject
from fairlot.service.profiles import Applied, KnownProfiles, Reactor, Work
from fairlot.service.profiles.cache import PROFILES_KEPT
from fairlot.service.profiles.writer import QUEUE_BOUND
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles.rows import find_profile
from fairlot.store.sqlite import LOCK_WAIT_S
from fairlot.warehouse.log import EventLog, read_exposures, read_identities
from support.tables import open_profiles_with_tables

PROJECT = "prj_1"
NOW_MS = 1_790_000_000_000


@dataclass
class ProfileBench:
    profiles: KnownProfiles
    log: EventLog
    events_dir: Path
    now_ms: int = NOW_MS

    def work(
        self, claim: Claim | str, *names: str, at_ms: int | None = None, **fields: object
    ) -> Work:
        """Events called so, each with an id of its own: its name and its instant."""
        moment = self.now_ms if at_ms is None else at_ms
        happenings: Sequence[Happening] = [
            Happening(event_id=f"{name}-{moment}", name=name, at_ms=moment) for name in names
        ]
        who = claim_of_subject(claim) if isinstance(claim, str) else claim
        return Work(PROJECT, who, moment, happenings=happenings, **fields)  # type: ignore[arg-type]

    async def happen(
        self, claim: Claim | str, *names: str, at_ms: int | None = None, **fields: object
    ) -> Applied:
        return await self.profiles.apply(self.work(claim, *names, at_ms=at_ms, **fields))

    def stored(self, identifier: Identifier) -> Profile | None:
        """As the database has it."""
        with self.profiles.store.reading() as connection:
            found = find_profile(connection, PROJECT, [identifier]).profile
        return None if found is None else found.profile

    def exposures(self) -> list[Exposure]:
        return list(read_exposures(self.events_dir))

    def identities(self) -> list[Identity]:
        return list(read_identities(self.events_dir))


@contextmanager
def profile_bench(
    tmp_path: Path,
    database_url: str | None,
    reactor: Reactor = NO_RULES,
    *,
    kept: int = PROFILES_KEPT,
    bound: int = QUEUE_BOUND,
    lock_wait_s: float = LOCK_WAIT_S,
    beside: Path | None = None,
) -> Iterator[ProfileBench]:
    """`beside`: the profiles are those of another bench in that directory."""
    log = EventLog.open(tmp_path / "events")
    store = open_profiles_with_tables(beside or tmp_path, database_url, lock_wait_s=lock_wait_s)
    bench = ProfileBench(
        KnownProfiles(store, log, reactor, lambda: bench.now_ms, kept=kept, bound=bound),
        log,
        tmp_path / "events",
    )
    try:
        yield bench
    finally:
        bench.profiles.close(5)
        log.close(5)
