"""Record what a sender sent, durably, before it is answered."""

import asyncio
from typing import NamedTuple

from fairlot.events import ReceivedBatch, Trust
from fairlot.events.batches import RowProblem, read_batch
from fairlot.service.privacy.recording import Rejects, nobody_rejects, recordable
from fairlot.warehouse.ports import Log


class Ingested(NamedTuple):
    """What was recorded, which rows could not be, and how many may not be: those were accepted."""

    batch: ReceivedBatch
    rejected: tuple[RowProblem, ...]
    withheld: int


# What is read in a millisecond or so does not need a thread.
_READ_AT_ONCE_BYTES = 16 * 1024


async def ingest(
    log: Log,
    project_id: str,
    body: bytes,
    *,
    received_at_ms: int,
    trust: Trust = Trust.SERVER,
    rejects: Rejects = nobody_rejects,
    private: bool = False,
) -> Ingested:
    """Record the rows that can be and may be, and return when they are on disk. `private` is as
    in `recordable`.

    Raises BatchRefused for a body that is no batch, and LogUnavailable when the log cannot take
    it; the batch may then be sent again as it is.
    """
    if len(body) <= _READ_AT_ONCE_BYTES:
        found = read_batch(body, project_id, received_at_ms, trust)
    else:
        found = await asyncio.to_thread(read_batch, body, project_id, received_at_ms, trust)
    batch, withheld = recordable(found.batch, rejects, private=private)
    await log.committed(log.record_batch(batch))
    return Ingested(batch, found.rejected, withheld)
