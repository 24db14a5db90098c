"""Events of many subjects, planted in a lake."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from fairlot.engine import Reason
from fairlot.events import Conversion, Event, Exposure

DAY_MS = 86_400_000
_numbers = count()


@dataclass(frozen=True)
class Place:
    """By their ids."""

    project: str
    experiment: str


def exposed(
    subject: str,
    variant: str,
    at_ms: int,
    place: Place,
    *,
    reason: Reason = Reason.BUCKET,
    device: str | None = None,
    version: int = 2,
) -> Exposure:
    return Exposure(
        f"e{next(_numbers)}",
        place.project,
        place.experiment,
        "hero",
        subject,
        subject,
        variant,
        f"var_{variant}",
        version,
        1,
        reason,
        at_ms,
        at_ms,
        device=device,
    )


def did(
    subject: str, event: str, at_ms: int, place: Place, *, value: float | None = None
) -> Conversion:
    return Conversion(f"c{next(_numbers)}", place.project, subject, event, value, at_ms, at_ms)


def arm(
    variant: str, n: int, converted: int, place: Place, *, start_ms: int, days: int
) -> Iterator[Event]:
    """`n` subjects in turn over `days` from `start_ms` on, the first `converted` of whom order for
    5 an hour later. Every other one has a telephone."""
    for number in range(n):
        subject = f"{variant}-{number}"
        at_ms = start_ms + (number % days) * DAY_MS + 1_000
        device = "mobile" if number % 2 else "desktop"
        yield exposed(subject, variant, at_ms, place, device=device)
        if number < converted:
            yield did(subject, "order", at_ms + 3_600_000, place, value=5.0)
