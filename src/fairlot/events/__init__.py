"""What is recorded of an experiment: exposures, conversions, identities and assignments, and the
ids they carry."""

from fairlot.events.ids import derived_event_id, new_event_id, new_event_ids, new_ulid
from fairlot.events.records import (
    Actor,
    Assignment,
    Conversion,
    Event,
    Exposure,
    Identity,
    ReceivedBatch,
    Trust,
    event_columns,
)

__all__ = [
    "Actor",
    "Assignment",
    "Conversion",
    "Event",
    "Exposure",
    "Identity",
    "ReceivedBatch",
    "Trust",
    "derived_event_id",
    "event_columns",
    "new_event_id",
    "new_event_ids",
    "new_ulid",
]
