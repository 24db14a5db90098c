"""The works that wait to be written, between the callers and the writer thread."""

import asyncio
import threading
from asyncio import AbstractEventLoop, Future
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from fairlot.service.profiles.errors import ChangeRefused, ProfilesUnavailable
from fairlot.service.profiles.work import Applied, Work

CHANGES_PER_COMMIT: Final = 1_000
"""But for a single task that holds more."""
CHANGES_TOGETHER: Final = 20_000
"""As many as one task may hold: they are one transaction, and keep all others waiting."""
_GATHER_S: Final = 0.002
Outcome = Sequence[Applied] | Exception


@dataclass(slots=True, eq=False)
class Task:
    """Works that belong together; without a future nobody waits for them. `tries` counts those that
    failed while the database worked, `changes` are its happenings, and works without any."""

    works: Sequence[Work]
    future: "Future[list[Applied]] | None" = None
    loop: AbstractEventLoop | None = None
    tries: int = 0
    changes: int = field(init=False)

    def __post_init__(self) -> None:
        self.changes = sum(len(work.happenings) or 1 for work in self.works)


class WorkQueue:
    """`bound` is how many changes may wait; an empty queue takes more at once."""

    def __init__(self, bound: int, now_s: Callable[[], float]) -> None:
        self._bound = bound
        self._now_s = now_s
        self._wake_up = threading.Condition()
        self._waiting: list[Task] = []
        self._length = 0
        self._give_up_at: float | None = None

    @property
    def length(self) -> int:
        return self._length

    @property
    def is_over(self) -> bool:
        """Whether it is closed, and its time is up."""
        return self._give_up_at is not None and self._now_s() >= self._give_up_at

    def put(self, task: Task) -> None:
        """Raises ProfilesUnavailable, and ChangeRefused for more than one transaction may hold."""
        if task.changes > CHANGES_TOGETHER:
            problem = f"{task.changes:,} at once; send at most {CHANGES_TOGETHER:,} together"
            raise ChangeRefused("changes", problem)
        with self._wake_up:
            if self._give_up_at is not None:
                raise ProfilesUnavailable("they are closed")
            if self._length and self._length + task.changes > self._bound:
                raise ProfilesUnavailable("too much waits to be written")
            self._waiting.append(task)
            self._length += task.changes
            self._wake_up.notify()

    def put_back(self, tasks: Sequence[Task]) -> None:
        """Before all others, in their order."""
        with self._wake_up:
            self._waiting[:0] = tasks

    def take(self) -> list[Task]:
        """What goes into one commit; empty once closed with nothing left."""
        with self._wake_up:
            while not self._waiting and self._give_up_at is None:
                self._wake_up.wait()
            if len(self._waiting) == 1 and self._give_up_at is None:
                self._wake_up.wait(_GATHER_S)
            count = changes = 0
            for task in self._waiting:
                changes += task.changes
                if count and changes > CHANGES_PER_COMMIT:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
            return taken

    def nap(self, seconds: float) -> None:
        """Sleep; `close` cuts it short."""
        with self._wake_up:
            self._wake_up.wait_for(lambda: self._give_up_at is not None, seconds)

    def close(self, within_s: float) -> None:
        """Accept nothing more; what waits may be tried for so long."""
        with self._wake_up:
            self._give_up_at = self._now_s() + within_s
            self._wake_up.notify()

    def tell(self, outage: ProfilesUnavailable) -> None:
        """Whoever waits now waits no longer: their tasks are dropped, the others stay."""
        with self._wake_up:
            awaited = [task for task in self._waiting if task.future is not None]
            self._waiting = [task for task in self._waiting if task.future is None]
        self.settle([(task, outage) for task in awaited])

    def abandon(self) -> None:
        """Nobody writes any more."""
        self.tell(ProfilesUnavailable("they are closed"))

    def settle(self, outcomes: Iterable[tuple[Task, Outcome]]) -> None:
        """Those tasks are done with. One wake-up of each event loop, however many wait there."""
        done = 0
        by_loop: defaultdict[AbstractEventLoop, list[tuple[Future[list[Applied]], Outcome]]]
        by_loop = defaultdict(list)
        for task, outcome in outcomes:
            done += task.changes
            if task.future is not None and task.loop is not None:
                by_loop[task.loop].append((task.future, outcome))
        with self._wake_up:
            self._length -= done
        for loop, resolved in by_loop.items():
            with suppress(RuntimeError):  # the loop was closed while its tasks waited
                loop.call_soon_threadsafe(_resolve, resolved)


def awaited_task(works: Sequence[Work]) -> tuple[Task, "Future[list[Applied]]"]:
    """For the running event loop."""
    loop = asyncio.get_running_loop()
    future: Future[list[Applied]] = loop.create_future()
    return Task(works, future, loop), future


def _resolve(resolved: Iterable[tuple["Future[list[Applied]]", Outcome]]) -> None:
    for future, outcome in resolved:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(list(outcome))
