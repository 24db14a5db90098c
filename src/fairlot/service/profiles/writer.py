"""The thread that writes profiles: all that waits goes into one commit."""

import asyncio
import threading
import time
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from fairlot.engine.errors import FairlotError
from fairlot.events import ReceivedBatch
from fairlot.profiles import PRODUCT_EVENTS, ProductEvents
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.profiles.cache import ProfileCache
from fairlot.service.profiles.errors import ProfilesUnavailable
from fairlot.service.profiles.session import Recorded, Session
from fairlot.service.profiles.work import Applied, Reactor, Work
from fairlot.store.profiles import ProfileStore, rows
from fairlot.warehouse.ports import Log

_WORKS_PER_COMMIT: Final = 1_000
_GATHER_S: Final = 0.002
_RETRY_S: Final = 0.2
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Task:
    """Works that belong together; without a future nobody waits for them."""

    works: Sequence[Work]
    loop: AbstractEventLoop | None = None
    future: "Future[list[Applied]] | None" = None


class ProfileWriter:
    """`bound` is how many works may wait. What nobody waits for is tried again until `close`."""

    def __init__(
        self,
        store: ProfileStore,
        cache: ProfileCache,
        log: Log,
        reactor: Reactor,
        clock_ms: Callable[[], int],
        rejections: Rejections,
        *,
        bound: int = 50_000,
        product_events: ProductEvents = PRODUCT_EVENTS,
    ) -> None:
        self._store = store
        self._cache = cache
        self._log = log
        self._reactor = reactor
        self._clock_ms = clock_ms
        self._rejections = rejections
        self._bound = bound
        self._product_events = product_events
        self._wake_up = threading.Condition()
        self._waiting: list[_Task] = []
        self._queued = 0
        self._closing = False
        self.failures = 0
        self._thread: threading.Thread | None = None

    @property
    def queued(self) -> int:
        return self._queued

    async def apply(self, works: Sequence[Work]) -> list[Applied]:
        loop = get_running_loop()
        future: Future[list[Applied]] = loop.create_future()
        self._put(_Task(works, loop, future))
        return await future

    def post(self, work: Work) -> None:
        self._put(_Task((work,)))

    def close(self, timeout_s: float) -> None:
        """Write what waits, for so long at most."""
        with self._wake_up:
            self._closing = True
            self._wake_up.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._queued:
            _log.error("profiles.closed_with_work_queued", queued=self._queued)

    def _put(self, task: _Task) -> None:
        with self._wake_up:
            if self._closing:
                raise ProfilesUnavailable("they are closed")
            if self._queued and self._queued + len(task.works) > self._bound:
                raise ProfilesUnavailable("too much waits to be written")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="profiles", daemon=True)
                self._thread.start()
            self._waiting.append(task)
            self._queued += len(task.works)
            self._wake_up.notify()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while tasks := self._take():
                if not self._write(tasks, runner):
                    if self._closing:
                        return
                    time.sleep(_RETRY_S)

    def _take(self) -> list[_Task]:
        """Empty once closing with nothing left."""
        with self._wake_up:
            while not self._waiting and not self._closing:
                self._wake_up.wait()
            if len(self._waiting) == 1 and not self._closing:
                self._wake_up.wait(_GATHER_S)
            count = works = 0
            for task in self._waiting:
                if count and works + len(task.works) > _WORKS_PER_COMMIT:
                    break
                count, works = count + 1, works + len(task.works)
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
            return taken

    def _write(self, tasks: list[_Task], runner: asyncio.Runner) -> bool:
        """Whether the database took them. One that cannot be applied does not stop the others."""
        try:
            self._commit(tasks, runner)
        except Exception as error:  # noqa: BLE001 - the edge of the background worker
            if len(tasks) > 1:
                written = [self._write([task], runner) for task in tasks]
                return all(written)
            return self._failed(tasks[0], error)
        return True

    def _commit(self, tasks: list[_Task], runner: asyncio.Runner) -> None:
        works = [work for task in tasks for work in task.works]
        with self._store.writing() as connection:
            change_no = rows.next_change(connection)
            session = Session(
                connection,
                self._reactor,
                self._clock_ms(),
                self._rejections,
                self._product_events,
            )
            session.read(works)
            applied = [session.apply(work) for work in works]
            changed = session.write(change_no)
            self._record(session.recorded, runner)
        self._rejections.note(session.rejected)
        self._cache.forget(session.gone)
        self._cache.put(changed, change_no)
        for (project_id, digest), account in session.changed_accounts.items():
            self._cache.put_account(project_id, digest, account.attributes, change_no)
        self._done(tasks, applied)

    def _record(self, recorded: Recorded, runner: asyncio.Runner) -> None:
        """Durably: the profile of whoever was activated says so only when the log does."""
        tickets = [
            self._log.record_batch(each)
            for each in ReceivedBatch.of_server(
                recorded.exposures, (), recorded.identities, self._clock_ms()
            )
        ]
        if tickets:
            runner.run(self._log.committed(tickets[-1]))

    def _done(self, tasks: Iterable[_Task], applied: Sequence[Applied]) -> None:
        start = 0
        for task in tasks:
            end = start + len(task.works)
            self._settle(task, applied[start:end])
            start = end

    def _settle(self, task: _Task, outcome: Sequence[Applied] | Exception) -> None:
        with self._wake_up:
            self._queued -= len(task.works)
        if task.loop is None or task.future is None:
            return
        with suppress(RuntimeError):  # the loop was closed while its task waited
            task.loop.call_soon_threadsafe(_resolve, task.future, outcome)

    def _failed(self, task: _Task, error: Exception) -> bool:
        """Whether to go on at once."""
        self.failures += 1
        known = isinstance(error, FairlotError)
        if self.failures == 1 or not known:
            _log.error("profiles.write_failed", kind=type(error).__name__, error=_said(error))
        if task.future is not None or not known:
            problem = str(error) if known else "a change could not be made; the log says why"
            self._settle(task, ProfilesUnavailable(problem))
            return not known
        with self._wake_up:
            self._waiting.insert(0, task)
        return False


def _said(error: Exception) -> str:
    """Only our own errors are sure to quote no attribute."""
    return str(error) if isinstance(error, FairlotError) else ""


def _resolve(future: "Future[list[Applied]]", outcome: Sequence[Applied] | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(list(outcome))
