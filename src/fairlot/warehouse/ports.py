"""What the server needs of an event log."""

from collections.abc import Sequence
from typing import Protocol

from fairlot.events import Assignment, Exposure, ReceivedBatch
from fairlot.warehouse.queue import LogStats


class Log(Protocol):
    """`EventLog` says what each of them promises."""

    @property
    def usable(self) -> bool: ...

    @property
    def stats(self) -> LogStats: ...

    def record(self, exposure: Exposure | None, assignment: Assignment | None) -> int: ...

    def record_all(
        self, exposures: Sequence[Exposure], assignments: Sequence[Assignment]
    ) -> int: ...

    def record_batch(self, batch: ReceivedBatch) -> int: ...

    async def committed(self, ticket: int) -> None: ...

    def stored_assignments(self, experiment_id: str, unit_id: str) -> list[Assignment]: ...

    def flush(self, timeout_s: float) -> bool: ...

    def forget_answers(self) -> None: ...

    def close(self, timeout_s: float) -> None: ...
