"""Results for those who ask: at most two at once are made, and whoever asks the same within some
seconds shares one."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from fairlot.service.results.engines import (
    NoWarehouse,
    ResultEngine,
    WarehouseUnusable,
)
from fairlot.service.results.questions import Moment
from fairlot.stats.results import ExperimentResult
from fairlot.store import Store
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.errors import DamagedLake

if TYPE_CHECKING:
    from fairlot.service.results.resulting import OpenSource, Source

SHARED_S: Final = 10.0
AT_ONCE: Final = 2
_KEPT: Final = 64
_THREADS: Final = 2
_MEMORY: Final = "1500MB"
P = ParamSpec("P")
R = TypeVar("R")
_Name = tuple[str, str, int | None, str | None, ResultEngine]


class Results:
    """`clock` tells seconds; `warehouse_url` is that of a PostgreSQL database. What loads DuckDB
    and scipy is loaded when a result is first made."""

    def __init__(
        self, clock: Callable[[], float] = monotonic, *, warehouse_url: str | None = None
    ) -> None:
        self._clock = clock
        self._warehouse_url = warehouse_url
        self._lock = Lock()
        self._made: OrderedDict[_Name, tuple[float, ExperimentResult]] = OrderedDict()
        self._making: dict[_Name, Lock] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, "fairlot-results")

    async def in_thread(
        self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs
    ) -> R:
        work = partial(function, *arguments, **keywords)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def result(
        self,
        store: Store,
        tenant: ProjectRow,
        key: str,
        events_dir: Path,
        moment: Moment,
        segment_by: str | None,
        engine: ResultEngine = ResultEngine.DUCKDB,
    ) -> ExperimentResult:
        """As `result_of`, with the errors of that; and NoWarehouse or WarehouseUnusable."""
        from fairlot.service.results.resulting import result_of

        opening, keeps = self._opening(engine, events_dir, moment), engine is ResultEngine.DUCKDB
        name = (tenant.id, key, moment.as_of_ms, segment_by, engine)
        with self._lock:
            making = self._making.setdefault(name, Lock())
        with making:
            shared = self._shared(name)
            if shared is not None:
                return shared
            asked = partial(result_of, store, tenant, key, opening, moment)
            make = partial(asked, segment_by=segment_by, keeps=keeps)
            try:
                try:
                    result = make()
                except DamagedLake:  # which is left out the next time, and named
                    result = make()
            except BaseException:
                self._forget(name)
                raise
            self._keep(name, result)
            return result

    def _opening(self, engine: ResultEngine, events_dir: Path, moment: Moment) -> "OpenSource":
        if engine is ResultEngine.DUCKDB:
            return partial(open_lake_source, events_dir, is_past=moment.is_past)
        if self._warehouse_url is None:
            raise NoWarehouse(engine)
        try:
            from fairlot.service.results.warehouses import open_warehouse_source  # its driver
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            problem = "the driver of PostgreSQL is not installed"
            fix = "pip install 'fairlot[server,postgres]'"
            raise WarehouseUnusable("(not shown)", problem, fix) from None
        return partial(open_warehouse_source, self._warehouse_url)

    def _shared(self, name: _Name) -> ExperimentResult | None:
        with self._lock:
            made_at, result = self._made.get(name, (0.0, None))
            return result if self._clock() - made_at < SHARED_S else None

    def _keep(self, name: _Name, result: ExperimentResult) -> None:
        with self._lock:
            self._made[name] = (self._clock(), result)
            self._made.move_to_end(name)
            while len(self._made) > _KEPT:
                old, _ = self._made.popitem(last=False)
                self._making.pop(old, None)

    def _forget(self, name: _Name) -> None:
        with self._lock:
            self._making.pop(name, None)
            self._made.pop(name, None)


@contextmanager
def open_lake_source(
    events_dir: Path, project_id: str, *, is_past: bool = False
) -> "Iterator[Source]":
    """All that the server has recorded, read by a DuckDB of its own."""
    from fairlot.service.doctor.circumstances import circumstances_of
    from fairlot.service.results.resulting import Source
    from fairlot.warehouse.lake import open_lake
    from fairlot.warehouse.queries import DuckDbEngine

    with open_lake(events_dir, project_id, threads=_THREADS, memory_limit=_MEMORY) as lake:
        unreadable = [(each.path, each.problem) for each in lake.unreadable]
        beside = partial(circumstances_of, events_dir, is_past=is_past)
        yield Source(DuckDbEngine(lake.connection), unreadable, beside)
