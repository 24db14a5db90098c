import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.events import Trust
from fairlot.events.batches import BatchRefused
from fairlot.service.ingest import Ingested, ingest
from fairlot.service.privacy.recording import DETAILS
from fairlot.warehouse.log import (
    EventLog,
    LogUnavailable,
    read_conversions,
    read_exposures,
    read_identities,
    read_senders,
)
from support.batches import a_batch, conversion_row, exposure_row, identity_row

NOW_MS = 1_700_000_000_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog.open(tmp_path)
    yield log
    log.close(5)


def take(log: EventLog, body: bytes, trust: Trust = Trust.SERVER) -> Ingested:
    return asyncio.run(ingest(log, "prj_1", body, received_at_ms=NOW_MS, trust=trust))


def body_of(*rows: object) -> bytes:
    return msgspec.json.encode(a_batch(*rows))


def test_ingest__returned__is_on_disk(log: EventLog, tmp_path: Path) -> None:
    batch, rejected, _ = take(log, body_of(conversion_row("a"), conversion_row("b")), Trust.PUBLIC)
    assert (batch.accepted, rejected) == (2, ())
    found = list(read_conversions(tmp_path))
    assert [each.trust for each in found] == [Trust.PUBLIC, Trust.PUBLIC]
    assert {each.received_at_ms for each in found} == {NOW_MS}


def test_ingest__large_body__is_recorded_as_a_small_one(log: EventLog, tmp_path: Path) -> None:
    rows = [conversion_row(f"{at}", properties={"a": "x" * 500}) for at in range(1000)]
    assert take(log, body_of(*rows)).batch.accepted == 1000
    assert len(list(read_conversions(tmp_path))) == 1000


def test_ingest__rows_all_refused__the_batch_is_no_gap(log: EventLog, tmp_path: Path) -> None:
    batch, rejected, _ = take(log, body_of(5, {}))
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


def test_ingest__rows_of_who_rejects__are_accepted_and_not_recorded(
    log: EventLog, tmp_path: Path
) -> None:
    rows = [
        conversion_row("a", subject_id="ada"),
        conversion_row("b", subject_id="bo"),
        exposure_row("c", subject_id="ada"),
        identity_row("d", subject_id="phone", user_id="ada"),
    ]
    body = msgspec.json.encode(a_batch(*rows))

    found = asyncio.run(
        ingest(
            log,
            "prj_1",
            body,
            received_at_ms=NOW_MS,
            rejects=lambda project_id, subject_id: (project_id, subject_id) == ("prj_1", "ada"),
        )
    )

    assert (found.batch.accepted, found.rejected, found.withheld) == (4, (), 3)
    assert [each.subject_id for each in read_conversions(tmp_path)] == ["bo"]
    assert [*read_exposures(tmp_path), *read_identities(tmp_path)] == []
    (sender,) = read_senders(tmp_path)
    assert (sender.events, sender.rejected, sender.lost_events) == (4, 0, 0)


def test_ingest__private__keeps_that_it_happened_and_nothing_more(
    log: EventLog, tmp_path: Path
) -> None:
    about = {"session_id": "s1", "tenant_id": "acme"}
    rows = [
        conversion_row("a", value=9.5, properties={"page": "/x"}, **about),
        exposure_row("c", url="/x", device="Phone 9", properties={"page": "/x"}, **about),
        identity_row("d", **about),
    ]

    asyncio.run(ingest(log, "prj_1", body_of(*rows), received_at_ms=NOW_MS, private=True))

    (exposure,) = read_exposures(tmp_path)
    (conversion,) = read_conversions(tmp_path)
    (identity,) = read_identities(tmp_path)
    for event in (exposure, conversion, identity):
        assert {name: getattr(event, name, None) for name in DETAILS} == dict.fromkeys(DETAILS)
    assert exposure.properties == conversion.properties == identity.properties == {"gpc": True}
