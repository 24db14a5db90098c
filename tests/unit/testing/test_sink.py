"""The events of a client, in lists."""

from fairlot.engine import Reason
from fairlot.events.sent import SentConversion, SentExposure, SentIdentity
from fairlot.testing import MemorySink

EXPOSURE = SentExposure(
    event_id="e-1",
    subject_id="anna",
    at=0,
    experiment_id="exp_cta",
    experiment_key="cta",
    unit_id="anna",
    variant_key="bold",
    variant_id="var_cta_bold",
    manifest_version=1,
    hash_version=1,
    reason=Reason.BUCKET,
)
CONVERSION = SentConversion(event_id="e-2", subject_id="anna", at=0, event_name="purchase")
IDENTITY = SentIdentity(event_id="e-3", subject_id="anna", at=0, user_id="user-1")


def filled() -> MemorySink:
    sink = MemorySink()
    sink.record_exposure(EXPOSURE)
    sink.record_conversion(CONVERSION)
    sink.record_conversion(IDENTITY)
    return sink


def test_memory_sink__events_of_each_kind__kept_apart() -> None:
    sink = filled()
    assert sink.exposures == [EXPOSURE]
    assert sink.conversions == [CONVERSION]
    assert sink.identities == [IDENTITY]


def test_clear__events__gone() -> None:
    sink = filled()
    sink.clear()
    assert (sink.exposures, sink.conversions, sink.identities) == ([], [], [])
