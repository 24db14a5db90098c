"""What is recorded of an experiment: exposures and assignments, and the ids they carry."""

from fairlot.events.ids import derived_event_id, new_event_id, new_ulid
from fairlot.events.records import Actor, Assignment, Exposure, Trust, exposure_columns

__all__ = [
    "Actor",
    "Assignment",
    "Exposure",
    "Trust",
    "derived_event_id",
    "exposure_columns",
    "new_event_id",
    "new_ulid",
]
