"""What handlers work with: everything that app.py made, in one record."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from fairlot.http.addresses import Addresses
from fairlot.http.counts import Counts, WorkerFiles
from fairlot.http.throttle import Policy, Throttle
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import KnownFeeds
from fairlot.service.privacy import Rejections
from fairlot.service.privacy.deleting import Deletions
from fairlot.service.profiles import Profiles
from fairlot.service.results.sharing import Results
from fairlot.service.uses import CredentialUses
from fairlot.store import Store
from fairlot.warehouse.lake.upkeep import Upkeep
from fairlot.warehouse.ports import Log

# A plan may take seconds, and a store that is away too: so many wait at once, and never in the
# threads that decisions wait for.
_CONTROL_THREADS = 4
P = ParamSpec("P")
R = TypeVar("R")


def _control_threads() -> Executor:
    return ThreadPoolExecutor(_CONTROL_THREADS, "fairlot-control")


@dataclass(frozen=True, slots=True)
class Services:
    """`store` and `store_generation` may block: use them in a thread. `address_policy` None leaves
    client addresses unthrottled, `default_tier` is for projects without a tier of their own. A plan
    counts in the event log under `events_dir`, if there is one. `control_threads` run the routes of
    the control plane, and `after_change` is called in them when one has changed the store. Who
    serves has an `upkeep`."""

    decisions: Decisions
    store: Store
    profiles: Profiles
    feeds: KnownFeeds
    privacy: Rejections
    deletions: Deletions
    store_generation: Callable[[], int]
    log: Log
    counts: Counts
    worker_files: WorkerFiles
    throttle: Throttle
    addresses: Addresses
    clock_ms: Callable[[], int]
    default_tier: str = "unlimited"
    address_policy: Policy | None = None
    metrics_open: bool = False
    uses: CredentialUses = field(default_factory=CredentialUses)
    after_change: Callable[[], object] = lambda: None
    events_dir: Path | None = None
    upkeep: Upkeep | None = None
    control_threads: Executor = field(default_factory=_control_threads)
    results: Results = field(default_factory=Results)

    @property
    def log_folder(self) -> Path:
        """Without an event log one that is not there, so it holds nothing."""
        return self.events_dir or Path("no-event-log")

    async def in_control_thread(
        self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs
    ) -> R:
        """For whatever waits for the store."""
        loop = asyncio.get_running_loop()
        work = partial(function, *arguments, **keywords)
        return await loop.run_in_executor(self.control_threads, work)
