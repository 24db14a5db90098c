from datetime import UTC, datetime

import msgspec

from fairlot.engine.model import Reason
from fairlot.events import Actor, Exposure, event_columns

NOW_MS = 1_795_413_600_000  # 2026-11-23T06:00:00Z
# The columns of the exposure table, as published; `at` on the wire is `occurred_at` in storage.
COLUMNS = (
    "event_id project_id experiment_id experiment_key subject_id unit_id variant_key variant_id"
    " manifest_version hash_version reason occurred_at received_at failure tenant_id session_id"
    " device url actor trust source sender_id batch_seq properties"
)


def exposure(**changes: object) -> Exposure:
    required = {
        "event_id": "0199-1", "project_id": "prj_1", "experiment_id": "exp_1",
        "experiment_key": "checkout", "subject_id": "anna", "unit_id": "anna",
        "variant_key": "blue", "variant_id": "var_1", "manifest_version": 3, "hash_version": 1,
        "reason": "bucket", "occurred_at_ms": NOW_MS + 123, "received_at_ms": NOW_MS + 124,
    }  # fmt: skip
    return msgspec.convert(required | changes, Exposure)


def test_event_columns__any__are_the_published_ones_in_order() -> None:
    columns = event_columns(exposure(actor="bot"))
    assert " ".join(columns) == COLUMNS
    assert columns["occurred_at"] == datetime(2026, 11, 23, 6, 0, 0, 123_000, tzinfo=UTC)
    assert columns["reason"] == "bucket"
    assert type(columns["actor"]) is str


def test_exposure__through_json__is_the_same() -> None:
    first = exposure(properties={"plan": "pro"}, actor=Actor.STAFF)
    encoded = msgspec.json.encode(first)
    assert msgspec.json.decode(encoded, type=Exposure) == first
    assert b"failure" not in encoded
    assert msgspec.json.decode(encoded, type=Exposure).reason is Reason.BUCKET
