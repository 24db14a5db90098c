"""The event log of who seldom records something: a file of it is claimed with the first batch."""

import threading
from pathlib import Path

from fairlot.events import ReceivedBatch
from fairlot.warehouse.log import EventLog
from fairlot.warehouse.stored import StoredLog

_CLOSE_WITHIN_S = 5.0


class OnDemandLog(StoredLog):
    """As `StoredLog`, but it takes batches. Raises UnusableLogFile when no file can be had."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._directory = directory
        self._opening = threading.Lock()
        self._opened: EventLog | None = None

    def record_batch(self, batch: ReceivedBatch) -> int:
        with self._opening:
            if self._opened is None:
                self._opened = EventLog.open(self._directory)
        return self._opened.record_batch(batch)

    async def committed(self, ticket: int) -> None:
        if self._opened is None:
            await super().committed(ticket)
        else:
            await self._opened.committed(ticket)

    def flush(self, timeout_s: float) -> bool:
        return self._opened is None or self._opened.flush(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Waits until what was recorded is written."""
        if self._opened is not None:
            self._opened.close(max(timeout_s, _CLOSE_WITHIN_S))
        super().close(timeout_s)
