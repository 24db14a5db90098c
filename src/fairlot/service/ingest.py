"""Record what a sender sent, durably, before it is answered."""

import asyncio

from fairlot.events import Trust
from fairlot.events.batches import ReadBatch, read_batch
from fairlot.warehouse.ports import Log

# What is read in a millisecond or so does not need a thread.
_READ_AT_ONCE_BYTES = 16 * 1024


async def ingest(
    log: Log,
    project_id: str,
    body: bytes,
    *,
    received_at_ms: int,
    trust: Trust = Trust.SERVER,
) -> ReadBatch:
    """Record the rows that can be, and return when they are on disk.

    Raises BatchRefused for a body that is no batch, and LogUnavailable when the log cannot take
    it; the batch may then be sent again as it is.
    """
    if len(body) <= _READ_AT_ONCE_BYTES:
        found = read_batch(body, project_id, received_at_ms, trust)
    else:
        found = await asyncio.to_thread(read_batch, body, project_id, received_at_ms, trust)
    await log.committed(log.record_batch(found.batch))
    return found
