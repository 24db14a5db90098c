"""The event log as those read it who record nothing: no file of it is claimed."""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from fairlot.events import Assignment, Exposure, ReceivedBatch
from fairlot.warehouse.errors import LogTrouble, LogUnavailable
from fairlot.warehouse.queue import LogStats
from fairlot.warehouse.readers import AssignmentReaders

_NOTHING = LogStats(0, 0, 0, 0, 0)


class StoredLog:
    """Every worker's file under a directory, which need not exist. It takes no records."""

    def __init__(self, directory: Path) -> None:
        self._readers = AssignmentReaders(directory) if directory.is_dir() else None

    @property
    def usable(self) -> bool:
        return False

    @property
    def stats(self) -> LogStats:
        return _NOTHING

    def record(self, exposure: Exposure | None, assignment: Assignment | None) -> int:
        raise LogUnavailable(LogTrouble.CLOSED)

    def record_all(self, exposures: Sequence[Exposure], assignments: Sequence[Assignment]) -> int:
        raise LogUnavailable(LogTrouble.CLOSED)

    def record_batch(self, batch: ReceivedBatch) -> int:
        raise LogUnavailable(LogTrouble.CLOSED)

    async def committed(self, ticket: int) -> None:
        raise LogUnavailable(LogTrouble.CLOSED)

    def stored_assignments(self, experiment_id: str, unit_id: str) -> list[Assignment]:
        """What any worker assigned; earliest first."""
        if self._readers is None:
            return []
        found = self._readers.lookup(experiment_id, unit_id)
        return sorted(found.values(), key=attrgetter("assigned_at_ms"))

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits."""
        return True

    def forget_answers(self) -> None:
        """None is remembered."""

    def close(self, timeout_s: float) -> None:
        """Waits for nothing."""
        if self._readers is not None:
            self._readers.close()
