"""What became of the numbered batches of each sender, over the files of all workers."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from fairlot.warehouse.readers import read_files

_READ = (
    "SELECT project_id, sender_id, batch_seq, sent, rejected, events_before, dropped_total,"
    " source, received_at_ms, times FROM batches WHERE ?1 IS NULL OR project_id = ?1"
    " ORDER BY project_id, sender_id, batch_seq"
)
_sender_of = itemgetter(0, 1)


class SenderFigures(NamedTuple):
    """`batches` and `events` were received, each counted once; `rejected` of these events were
    refused, and `repeated_batches` is how often a batch came again.

    `lost_events` were in the `missing_batches`, the gaps below the highest number that was
    received: such a batch may still arrive. `dropped` is what the sender gave up, as it says.
    """

    project_id: str
    sender_id: str
    source: str | None
    batches: int
    events: int
    rejected: int
    repeated_batches: int
    missing_batches: int
    lost_events: int
    dropped: int
    last_seen_ms: int


class _Row(NamedTuple):
    project_id: str
    sender_id: str
    batch_seq: int
    sent: int
    rejected: int
    events_before: int
    dropped_total: int
    source: str | None
    received_at_ms: int
    times: int


def read_senders(directory: Path, *, project_id: str | None = None) -> Iterator[SenderFigures]:
    """By project and sender."""
    with ExitStack() as stack:
        runs = [
            stack.enter_context(closing(file)).execute(_READ, (project_id,))
            for file in read_files(directory, "batches")
        ]
        # SQLite sorts by bytes, which in UTF-8 is the order of code points that Python sorts by
        rows = map(_Row._make, heapq.merge(*runs, key=itemgetter(0, 1, 2)))
        for _, of_sender in groupby(rows, key=_sender_of):
            yield _figures(of_sender)


def _figures(rows: Iterable[_Row]) -> SenderFigures:
    """Of one sender, by the numbers of its batches; those with the same number came to several
    workers."""
    batches = events = rejected = times = dropped = last_seen_ms = 0
    highest = None
    for row in rows:
        times += row.times
        dropped = max(dropped, row.dropped_total)
        last_seen_ms = max(last_seen_ms, row.received_at_ms)
        if highest is None or row.batch_seq != highest.batch_seq:
            batches += 1
            events += row.sent
            rejected += row.rejected
            highest = row
    if highest is None:
        raise ValueError("a sender without batches")
    return SenderFigures(
        project_id=highest.project_id,
        sender_id=highest.sender_id,
        source=highest.source,
        batches=batches,
        events=events,
        rejected=rejected,
        repeated_batches=times - batches,
        missing_batches=highest.batch_seq - batches,
        lost_events=max(0, highest.events_before + highest.sent - events),
        dropped=dropped,
        last_seen_ms=last_seen_ms,
    )
