"""What of events may be recorded."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from fairlot.events import Conversion, Exposure, Identity, ReceivedBatch
from fairlot.events.properties import EXCLUDED, SWITCHED

GPC: Final[Mapping[str, Any]] = {"gpc": True}
"""All properties of what is recorded under the Global Privacy Control, beside `_MARKS`."""
DETAILS: Final = ("device", "session_id", "tenant_id", "url", "value")
"""What no event says that is recorded so, by whichever face it came."""
_MARKS: Final = (SWITCHED, EXCLUDED)
"""Results leave out who has them."""
Rejects = Callable[[str, str], bool]
"""Whether a subject, by project id and subject id, must not be recorded."""
E = TypeVar("E", Exposure, Conversion, Identity)


class Recordable(NamedTuple):
    """`withheld` is how many events of subjects who reject were left out."""

    batch: ReceivedBatch
    withheld: int


def is_private(properties: Mapping[str, Any] | None) -> bool:
    """Whether an event was recorded under the Global Privacy Control."""
    return properties is not None and properties.get("gpc") is True


def nobody_rejects(_project_id: str, _subject_id: str) -> bool:
    return False


def recordable(batch: ReceivedBatch, rejects: Rejects, *, private: bool) -> Recordable:
    """What may be recorded of a batch. Its numbers stay as they were sent: what was left out was
    received. `private` is as in `without_details`."""
    kept = msgspec.structs.replace(
        batch,
        exposures=_kept(batch.exposures, rejects, private),
        conversions=_kept(batch.conversions, rejects, private),
        identities=_kept(batch.identities, rejects, private),
    )
    return Recordable(kept, _count(batch) - _count(kept))


def without_details(event: E) -> E:
    """Of who sent the Global Privacy Control: that it happened, and nothing more of it."""
    marks = {name: True for name in _MARKS if name in (event.properties or ())}
    known = {name: None for name in DETAILS if name in event.__struct_fields__}
    return msgspec.structs.replace(event, properties={**marks, **GPC}, **known)


def _kept(events: Iterable[E], rejects: Rejects, private: bool) -> list[E]:
    kept = [
        one
        for one in events
        if not rejects(one.project_id, one.subject_id)
        and not (isinstance(one, Identity) and rejects(one.project_id, one.user_id))
    ]
    return [without_details(one) for one in kept] if private else kept


def _count(batch: ReceivedBatch) -> int:
    return len(batch.exposures) + len(batch.conversions) + len(batch.identities)
