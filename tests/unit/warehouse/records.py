"""Builders of records; only what a test is about needs to be said."""

from typing import Any

import msgspec

from fairlot.engine.model import Reason
from fairlot.events import (
    Assignment,
    Conversion,
    Exposure,
    Identity,
    ReceivedBatch,
    new_event_id,
)

NOW_MS = 1_795_413_600_000


def exposure(subject_id: str = "anna", **changes: Any) -> Exposure:
    built = Exposure(
        event_id=new_event_id(NOW_MS),
        project_id="prj_1",
        experiment_id="exp_1",
        experiment_key="checkout",
        subject_id=subject_id,
        unit_id=subject_id,
        variant_key="blue",
        variant_id="var_1",
        manifest_version=1,
        hash_version=1,
        reason=Reason.BUCKET,
        occurred_at_ms=NOW_MS,
        received_at_ms=NOW_MS,
    )
    return msgspec.structs.replace(built, **changes)


def conversion(subject_id: str = "anna", **changes: Any) -> Conversion:
    built = Conversion(new_event_id(NOW_MS), "prj_1", subject_id, "order", 9.5, NOW_MS, NOW_MS)
    return msgspec.structs.replace(built, **changes)


def identity(subject_id: str = "anna", **changes: Any) -> Identity:
    built = Identity(new_event_id(NOW_MS), "prj_1", subject_id, "user-1", NOW_MS, NOW_MS)
    return msgspec.structs.replace(built, **changes)


def received(*events: Exposure | Conversion | Identity, **changes: Any) -> ReceivedBatch:
    """A batch of the sender `s` with these events in it."""
    built = ReceivedBatch(
        project_id="prj_1",
        sender_id="s",
        batch_seq=1,
        sent=len(events),
        rejected=0,
        events_before=0,
        dropped_total=0,
        source="sdk-python",
        received_at_ms=NOW_MS,
        exposures=[each for each in events if isinstance(each, Exposure)],
        conversions=[each for each in events if isinstance(each, Conversion)],
        identities=[each for each in events if isinstance(each, Identity)],
    )
    return msgspec.structs.replace(built, **changes)


def assignment(unit_id: str = "anna", variant_key: str = "blue", at_ms: int = NOW_MS) -> Assignment:
    return Assignment("exp_1", "checkout", unit_id, variant_key, 1, at_ms)
