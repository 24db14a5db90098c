"""Profiles over a real database and a real event log, and a clock that stands still."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlot.events import Exposure, Identity
from fairlot.profiles import Claim, Happening, claim_of_subject
from fairlot.service.profiles import Applied, KnownProfiles, Reactor, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles import open_profile_store
from fairlot.warehouse.log import EventLog, read_exposures, read_identities

PROJECT = "prj_1"
NOW_MS = 1_790_000_000_000


@dataclass
class ProfileBench:
    profiles: KnownProfiles
    log: EventLog
    events_dir: Path
    now_ms: int = NOW_MS

    async def happen(
        self, claim: Claim | str, *names: str, at_ms: int | None = None, **fields: object
    ) -> Applied:
        """Events called so, each with an id of its own: its name and its instant."""
        moment = self.now_ms if at_ms is None else at_ms
        happenings: Sequence[Happening] = [
            Happening(event_id=f"{name}-{moment}", name=name, at_ms=moment) for name in names
        ]
        who = claim_of_subject(claim) if isinstance(claim, str) else claim
        return await self.profiles.apply(
            Work(PROJECT, who, moment, happenings=happenings, **fields)  # type: ignore[arg-type]
        )

    def exposures(self) -> list[Exposure]:
        return list(read_exposures(self.events_dir))

    def identities(self) -> list[Identity]:
        return list(read_identities(self.events_dir))


@contextmanager
def profile_bench(
    tmp_path: Path, database_url: str | None, reactor: Reactor = NO_RULES
) -> Iterator[ProfileBench]:
    log = EventLog.open(tmp_path / "events")
    store = open_profile_store(tmp_path, database_url)
    bench = ProfileBench(
        KnownProfiles(store, log, reactor, lambda: bench.now_ms), log, tmp_path / "events"
    )
    try:
        yield bench
    finally:
        bench.profiles.close(5)
        log.close(5)
