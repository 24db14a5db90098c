"""Deleting a subject: from the profiles at once, then from every file of the event log and from the
memory of every process.

A deletion is a row that all processes follow. Each of them writes out what it has queued, deletes
from its own file and from those that nobody holds, and notes it there; so whoever asked can see
when all have. What cannot be done yet is done later, by whoever is there.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from fairlot.events import new_ulid
from fairlot.profiles import Claim
from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.privacy.log_files import FOR_YOU, WAL_WITHIN_S, Left, LogFiles, Why
from fairlot.service.privacy.units import units_of
from fairlot.service.privacy.whom import Asked, look_up, whom_of
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.store import Store
from fairlot.store.profiles.changes import newest_change, next_change
from fairlot.store.profiles.deletions import (
    KEPT_MS,
    DeletionRow,
    add_deletion,
    erase_profiles,
    forget_deletions,
    forget_withdrawn,
    is_called,
    is_emptied,
    newest_deletion,
    note_emptied,
    read_deletions,
)
from fairlot.store.tenants import ProjectRow
from fairlot.warehouse.erasing import Erasure, empty_wal
from fairlot.warehouse.ports import Log

FINISHED_WITHIN_S: Final = 10.0
_FLUSH_WITHIN_S: Final = 5.0
_UNDER_WAY_S: Final = 0.25
"""A request that had begun when its process heard of a deletion has recorded by then."""
_PAUSE_S: Final = 0.05
_NOTHING: Final = Work("", Claim(()), 0, makes=False, is_seen=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """`profiles` is how many are deleted, `others` the subject ids of who is called so too."""

    id: str
    profiles: int
    others: tuple[str, ...]


class Deletions:
    """Of one process. `own_file` is the file of the event log that it writes, if any; `forget`
    drops from memory what is kept there of events."""

    def __init__(
        self,
        *,
        store: Store,
        profiles: KnownProfiles,
        log: Log,
        events_dir: Path,
        own_file: Path | None,
        clock_ms: Callable[[], int],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._log = log
        self._events_dir = events_dir
        self._files = LogFiles(events_dir, own_file, forget)
        self._clock_ms = clock_ms
        self._sweeping = threading.Lock()
        self._heard = 0
        self._began_at: int | None = None
        self._unfinished = True

    def begin_to_follow(self) -> None:
        """Before this process takes anything in: what was deleted earlier is not in its queues."""
        with self._profiles.store.reading() as connection:
            self._began_at = newest_change(connection)

    def look_up(self, project_id: str, name: str) -> Asked:
        """What `begin` has to know. It may take seconds: call it outside of any transaction."""
        with self._store.reading() as connection:
            by_account = units_of(connection, project_id).by_account
        return look_up(self._profiles.store, self._events_dir, project_id, name, by_account)

    def begin(
        self, connection: Connection, tenant: ProjectRow, asked: Asked, actor: Actor
    ) -> Begun:
        """Delete the profile that is meant, and put on record that it was done, in the transaction
        of the control plane. Call `finish` after it. Raises SeveralCalledSo."""
        now_ms = self._clock_ms()
        deletion_id = f"del_{new_ulid(now_ms)}"
        _put_on_record(connection, tenant, asked.name, deletion_id, actor, now_ms)
        with self._profiles.store.writing() as writing:
            whom = whom_of(writing, tenant.id, asked)
            change_no = next_change(writing)
            erase_profiles(writing, tenant.id, whom.digests, change_no, now_ms)
            forget_withdrawn(writing, tenant.id, {each.digest() for each in whom.names}, now_ms)
            forget_deletions(writing, now_ms - KEPT_MS)
            emptied = not self._has_file
            add_deletion(
                writing,
                DeletionRow(deletion_id, tenant.id, whom.digests, now_ms, change_no, emptied),
            )
        return Begun(deletion_id, whom.profiles, whom.others)

    def finish(self, deletion_id: str, within_s: float = FINISHED_WITHIN_S) -> list[Left]:
        """Wait until every file has been seen to, and say what is left. Blocks."""
        give_up_at = time.monotonic() + within_s
        self._profiles.follow()
        while True:
            self.sweep()
            left = self.left_of(deletion_id)
            if time.monotonic() > give_up_at or all(each.why in FOR_YOU for each in left):
                return left
            time.sleep(_PAUSE_S)

    def follow(self) -> None:
        """Do what others have begun, and what is left over. Blocks, mostly for one look-up."""
        with self._profiles.store.reading() as connection:
            newest = newest_deletion(connection)
        if newest and (newest != self._heard or self._unfinished):
            self.sweep()

    def sweep(self) -> None:
        with self._sweeping:
            with self._profiles.store.reading() as connection:
                deletions = read_deletions(connection)
            if not deletions:
                return
            newest = max(each.change_no for each in deletions)
            if newest != self._heard and not self._hear(deletions):
                return
            self._heard = newest
            done = self._files.see_to(self._erasures(deletions))
            self._unfinished = not self._empty_profiles(deletions) or not done

    def left_of(self, deletion_id: str) -> list[Left]:
        left = self._files.left_of(deletion_id)
        with self._profiles.store.reading() as connection:
            emptied = is_emptied(connection, deletion_id)
        if not emptied:
            left.append(Left(str(self._profiles.store.place), Why.WAL_NOT_EMPTIED))
        return left

    @property
    def _has_file(self) -> bool:
        return isinstance(self._profiles.store.place, Path)

    def _hear(self, deletions: Sequence[DeletionRow]) -> bool:
        """Whether all that this process had queued before is written. What was queued of a profile
        has made it anew; it is deleted again."""
        began_at = self._began_at
        if began_at is not None:
            time.sleep(_UNDER_WAY_S)
        asyncio.run(self._profiles.apply(_NOTHING))
        fresh = [
            each
            for each in deletions
            if began_at is not None and each.change_no > max(self._heard, began_at)
        ]
        with self._profiles.store.reading() as connection:
            back = [each for each in fresh if is_called(connection, each.project_id, each.digests)]
        if back:
            with self._profiles.store.writing() as connection:
                change_no = next_change(connection)
                for each in back:
                    erase_profiles(
                        connection, each.project_id, each.digests, change_no, self._clock_ms()
                    )
        self._profiles.follow()
        return self._log.flush(_FLUSH_WITHIN_S)

    def _erasures(self, deletions: Sequence[DeletionRow]) -> list[Erasure]:
        with self._store.reading() as connection:
            units = {
                project_id: units_of(connection, project_id)
                for project_id in {each.project_id for each in deletions}
            }
        return [
            Erasure(
                each.id,
                each.project_id,
                each.digests,
                units[each.project_id].by_subject,
                units[each.project_id].by_account,
                each.at_ms,
            )
            for each in deletions
        ]

    def _empty_profiles(self, deletions: Sequence[DeletionRow]) -> bool:
        """Whether the profiles keep nothing of the deleted outside of their tables."""
        place = self._profiles.store.place
        waiting = [each.id for each in deletions if not each.emptied]
        if not waiting or not isinstance(place, Path):
            return True
        if not empty_wal(place, WAL_WITHIN_S):
            return False
        with self._profiles.store.writing() as connection:
            note_emptied(connection, waiting)
        return True


def _put_on_record(
    connection: Connection,
    tenant: ProjectRow,
    subject_id: str,
    deletion_id: str,
    actor: Actor,
    now_ms: int,
) -> None:
    """Whoever has the id can find the record of its deletion; nobody can read the id in it."""
    salt = os.urandom(16)
    digest = sha256(salt + subject_id.encode("utf-8", "surrogatepass")).hexdigest()
    record(
        connection,
        tenant.organization_id,
        actor,
        "profile.delete",
        now_ms=now_ms,
        project=tenant.key,
        target=f"deletion:{deletion_id}",
        details={"salt": salt.hex(), "sha256": digest},
    )
