"""The thread that writes profiles: all that waits goes into one commit."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fairlot.engine.errors import FairlotError
from fairlot.events import ReceivedBatch
from fairlot.logs import get_logger
from fairlot.profiles import PRODUCT_EVENTS, ProductEvents
from fairlot.service.privacy.rejections import Rejections
from fairlot.service.profiles.account_cache import AccountCache
from fairlot.service.profiles.cache import ProfileCache
from fairlot.service.profiles.errors import (
    ChangeRefused,
    ProfilesUnavailable,
    ProfilesUnconfirmed,
)
from fairlot.service.profiles.queue import Task, WorkQueue, awaited_task
from fairlot.service.profiles.recollection import Recollection
from fairlot.service.profiles.session import Recorded, Session
from fairlot.service.profiles.work import Applied, Reactor, Work, WriterFigures
from fairlot.store.errors import CommitUnanswered, StoreFailed, StoreLocked, StoreUnusable
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.changes import next_change, profiles_changed_since
from fairlot.store.profiles.rows import StoredProfile
from fairlot.warehouse.errors import LogTrouble, LogUnavailable
from fairlot.warehouse.ports import Log

QUEUE_BOUND: Final = 50_000
_RETRY_S: Final = 0.2
_LAST_TRY_S: Final = 1.0
_TRIES: Final = 3
_CONFIRM_WITHIN_S: Final = 10.0
_log = get_logger(__name__)


class _TaskFailed(Exception):
    """One of the works could not be applied; nothing of the transaction was written."""

    def __init__(self, task: Task, error: Exception) -> None:
        self.task = task
        self.error = error


class _Written(NamedTuple):
    """What a transaction has written, before it is committed."""

    session: Session
    applied: list[list[Applied]]
    profiles: list[StoredProfile]
    change_no: int
    receipt: str


class ProfileWriter:
    """What nobody waits for is tried again until `close`, as long as the database is away."""

    def __init__(
        self,
        store: ProfileStore,
        profiles: ProfileCache,
        accounts: AccountCache,
        log: Log,
        reactor: Reactor,
        clock_ms: Callable[[], int],
        rejections: Rejections,
        *,
        bound: int = QUEUE_BOUND,
        product_events: ProductEvents = PRODUCT_EVENTS,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._accounts = accounts
        self._log = log
        self._reactor = reactor
        self._clock_ms = clock_ms
        self._rejections = rejections
        self._product_events = product_events
        self.recollection = Recollection()
        self._queue = WorkQueue(bound, time.monotonic)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._outage: ProfilesUnavailable | None = None
        self.figures = WriterFigures()

    @property
    def usable(self) -> bool:
        return not self._failing

    def recover(self) -> None:
        """See whether what failed works again, also when nobody writes."""
        if self._failing and self._log.usable and self._can_write():
            self._note_works()

    @property
    def queued(self) -> int:
        return self._queue.length

    async def apply(self, works: Sequence[Work]) -> list[Applied]:
        task, future = awaited_task(works)
        self._put(task)
        return await future

    def post(self, work: Work) -> None:
        self._put(Task((work,)))

    def close(self, timeout_s: float) -> None:
        """Write what waits, for so long at most."""
        self._queue.close(timeout_s)
        if self._thread is not None:
            self._thread.join(timeout_s + _LAST_TRY_S)
        if self.queued:
            _log.error("profiles.closed_with_work_queued", queued=self.queued)

    def _put(self, task: Task) -> None:
        self._queue.put(task)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="profiles", daemon=True)
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._write_all(runner)
        finally:
            self._queue.close(0)
            self._queue.abandon()

    def _write_all(self, runner: asyncio.Runner) -> None:
        while tasks := self._queue.take():
            self._outage = None
            again = self._write(tasks, runner)
            if self._outage is not None:
                self._queue.tell(self._outage)
            if again:
                self._queue.put_back(again)
                if self._queue.is_over:
                    return
                self._queue.nap(_RETRY_S)

    def _write(self, tasks: list[Task], runner: asyncio.Runner) -> list[Task]:
        """Those that have to be tried again. One that cannot be applied does not stop the rest.
        Nothing is tried once the database has taken none: each try may wait for as long as it takes
        to see that."""
        while tasks:
            if self._outage is not None:
                return self._put_off(tasks, self._outage)
            try:
                written = self._commit(tasks, runner)
            except _TaskFailed as failed:
                self._refuse(failed.task, failed.error)
                tasks = [task for task in tasks if task is not failed.task]
            except Exception as error:  # noqa: BLE001 - the edge of the background worker
                return self._failed(tasks, error, runner)
            else:
                self._remember(tasks, written)
                return []
        return []

    def _commit(self, tasks: Sequence[Task], runner: asyncio.Runner) -> _Written:
        written: _Written | None = None
        try:
            with self._store.writing() as connection:
                change_no = next_change(connection)
                receipt = self._store.receipt(connection)
                self.recollection.begin(change_no, partial(profiles_changed_since, connection))
                session = self._session(connection)
                session.read([work for task in tasks for work in task.works])
                applied = [_applied(session, task) for task in tasks]
                profiles = session.write(change_no)
                self._record(session.recorded, runner)
                written = _Written(session, applied, profiles, change_no, receipt)
        except CommitUnanswered as error:
            if written is None or not self._is_confirmed(written.receipt):
                raise StoreFailed(error.place, error.problem) from None
        return written

    def _session(self, connection: Connection) -> Session:
        return Session(
            connection,
            self._reactor,
            self._clock_ms(),
            self._rejections,
            self.recollection,
            self._product_events,
        )

    def _is_confirmed(self, receipt: str) -> bool:
        """The connection broke while it was committing. Raises CommitUnanswered when the database
        does not tell for too long."""
        give_up_at = time.monotonic() + _CONFIRM_WITHIN_S
        while True:
            try:
                return self._store.was_committed(receipt)
            except StoreFailed as error:
                if self._queue.is_over or time.monotonic() > give_up_at:
                    raise CommitUnanswered(self._store.place, error.problem) from None
            time.sleep(_RETRY_S)

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

    def _remember(self, tasks: Sequence[Task], written: _Written) -> None:
        self._note_works()
        session, change_no = written.session, written.change_no
        self.recollection.keep(session.known(written.profiles), change_no)
        self._rejections.note(session.rejected)
        self._profiles.put_written(written.profiles, session.gone, change_no)
        self._accounts.put_written(session.accounts.changed, change_no)
        figures = self.figures
        figures.written += sum(len(task.works) for task in tasks)
        figures.switched += sum(
            len(merged.switched)
            for of_task in written.applied
            for each in of_task
            for merged in each.merged
        )
        self._queue.settle(zip(tasks, written.applied, strict=True))

    def _note_works(self) -> None:
        if self._failing:
            _log.info("profiles.written_again")
        self._failing = False

    def _failed(self, tasks: list[Task], error: Exception, runner: asyncio.Runner) -> list[Task]:
        """Those that have to be tried again. What works for none is nobody's fault; what may be
        the fault of one is looked for by halves."""
        self.figures.failures += 1
        if self._may_be_of_one(error):
            if len(tasks) > 1:
                half = len(tasks) // 2
                first = self._write(tasks[:half], runner)
                return first + self._write(tasks[half:], runner)
            tasks[0].tries += 1
            if tasks[0].tries >= _TRIES or not isinstance(error, StoreFailed):
                self._refuse(tasks[0], error)
                return []
        else:
            self._outage = _outage(error)
        if not self._failing:
            _log.error("profiles.write_failed", kind=type(error).__name__, error=_said(error))
        self._failing = True
        return self._put_off(tasks, _told(error))

    def _put_off(self, tasks: Sequence[Task], told: ProfilesUnavailable) -> list[Task]:
        """Those for which nobody waits; all others are told."""
        self._queue.settle((task, told) for task in tasks if task.future is not None)
        return [task for task in tasks if task.future is None]

    def _may_be_of_one(self, error: Exception) -> bool:
        if isinstance(error, LogUnavailable):
            return error.reason is LogTrouble.UNSTORABLE
        if isinstance(error, StoreUnusable | StoreLocked):
            return False
        return not isinstance(error, StoreFailed) or self._can_write()

    def _can_write(self) -> bool:
        try:
            with self._store.writing() as connection:
                next_change(connection)
        except StoreFailed:
            return False
        return True

    def _refuse(self, task: Task, error: Exception) -> None:
        """It can never be stored."""
        self.figures.refused += len(task.works)
        if not isinstance(error, ChangeRefused):
            _log.error("profiles.change_failed", kind=type(error).__name__, error=_said(error))
            error = ProfilesUnavailable("a change could not be made; the log says why")
        self._queue.settle([(task, error)])


def _applied(session: Session, task: Task) -> list[Applied]:
    try:
        return [session.apply(work) for work in task.works]
    except SQLAlchemyError:
        raise
    except Exception as error:
        raise _TaskFailed(task, error) from error


def _said(error: Exception) -> str:
    """Only our own errors are sure to quote no attribute."""
    return str(error) if isinstance(error, FairlotError) else ""


def _outage(error: Exception) -> ProfilesUnavailable | None:
    """What to tell those who have not been tried, if the database takes nothing at all."""
    if isinstance(error, CommitUnanswered):
        error = StoreFailed(error.place, error.problem)
    return (
        ProfilesUnavailable(str(error)) if isinstance(error, StoreFailed | StoreUnusable) else None
    )


def _told(error: Exception) -> ProfilesUnavailable:
    if isinstance(error, CommitUnanswered):
        return ProfilesUnconfirmed(error.problem)
    return ProfilesUnavailable(str(error))
