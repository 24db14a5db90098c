import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.events import Trust
from fairlot.events.batches import BatchRefused, ReadBatch
from fairlot.service.ingest import ingest
from fairlot.warehouse.log import EventLog, LogUnavailable, read_conversions, read_senders
from support.batches import a_batch, conversion_row

NOW_MS = 1_700_000_000_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog.open(tmp_path)
    yield log
    log.close(5)


def take(log: EventLog, body: bytes, trust: Trust = Trust.SERVER) -> ReadBatch:
    return asyncio.run(ingest(log, "prj_1", body, received_at_ms=NOW_MS, trust=trust))


def body_of(*rows: object) -> bytes:
    return msgspec.json.encode(a_batch(*rows))


def test_ingest__returned__is_on_disk(log: EventLog, tmp_path: Path) -> None:
    batch, rejected = take(log, body_of(conversion_row("a"), conversion_row("b")), Trust.PUBLIC)
    assert (batch.accepted, rejected) == (2, ())
    found = list(read_conversions(tmp_path))
    assert [each.trust for each in found] == [Trust.PUBLIC, Trust.PUBLIC]
    assert {each.received_at_ms for each in found} == {NOW_MS}


def test_ingest__large_body__is_recorded_as_a_small_one(log: EventLog, tmp_path: Path) -> None:
    rows = [conversion_row(f"{at}", properties={"a": "x" * 500}) for at in range(1000)]
    assert take(log, body_of(*rows)).batch.accepted == 1000
    assert len(list(read_conversions(tmp_path))) == 1000


def test_ingest__rows_all_refused__the_batch_is_no_gap(log: EventLog, tmp_path: Path) -> None:
    batch, rejected = take(log, body_of(5, {}))
    assert (batch.accepted, len(rejected)) == (0, 2)
    (sender,) = read_senders(tmp_path)
    assert (sender.batches, sender.events, sender.rejected) == (1, 2, 2)


def test_ingest__no_batch__records_nothing(log: EventLog, tmp_path: Path) -> None:
    with pytest.raises(BatchRefused):
        take(log, b"[]")
    assert list(read_senders(tmp_path)) == []


def test_ingest__log_closed__is_not_acknowledged(log: EventLog) -> None:
    log.close(5)
    with pytest.raises(LogUnavailable):
        take(log, body_of(conversion_row()))
