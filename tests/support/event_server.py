"""The events route as a sender sees it: takes batches, remembers them, fails as it is told."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec

from fairlot.engine.model import Reason
from fairlot.events.sent import SentBatch, SentConversion, SentEvent, SentExposure
from fairlot.sdk.transport import HttpRequest, HttpResponse

URL = "https://fairlot.test/api/v1/orgs/acme/projects/shop/events"
_numbers = count(1)


def an_exposure(subject_id: str = "s1", **fields: Any) -> SentExposure:
    plain = SentExposure(
        event_id=f"event-{next(_numbers)}",
        subject_id=subject_id,
        at=1_767_225_600_000,
        experiment_id="exp_hero",
        experiment_key="hero",
        unit_id=subject_id,
        variant_key="bold",
        variant_id="var_bold",
        manifest_version=3,
        hash_version=1,
        reason=Reason.BUCKET,
    )
    return msgspec.structs.replace(plain, **fields)


def a_conversion(subject_id: str = "s1", **fields: Any) -> SentConversion:
    plain = SentConversion(
        event_id=f"event-{next(_numbers)}",
        subject_id=subject_id,
        at=1_767_225_600_000,
        event_name="order",
    )
    return msgspec.structs.replace(plain, **fields)


@dataclass(frozen=True, slots=True)
class Fault:
    """Instead of a plain answer. Without `status` there is none; `stored` happens before."""

    status: int | None = None
    stored: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


GONE = Fault()
ANSWER_LOST = Fault(stored=True)


@dataclass
class EventServer:
    """`faults` are used up first, one a request. Of events whose subject is in `refused` the row is
    refused, in `poisonous` the whole batch; so is one of more than `most_rows`."""

    faults: deque[Fault] = field(default_factory=deque)
    refused: set[str] = field(default_factory=set)
    poisonous: set[str] = field(default_factory=set)
    most_rows: int = 1_000
    is_down: bool = False
    requests: list[HttpRequest] = field(default_factory=list)
    batches: dict[tuple[str, int], SentBatch] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        self.requests.append(request)
        fault = GONE if self.is_down else self.faults.popleft() if self.faults else None
        if fault is None:
            return self._take(request)
        if fault.stored:
            self._take(request)
        if fault.status is None:
            raise ConnectionResetError("nobody answers")
        return HttpResponse(fault.status, fault.headers, fault.body)

    def fail(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def _take(self, request: HttpRequest) -> HttpResponse:
        assert request.body is not None
        batch = msgspec.json.decode(request.body, type=SentBatch)
        if len(batch.events) > self.most_rows:
            return HttpResponse(413, {}, b"")
        if any(event.subject_id in self.poisonous for event in batch.events):
            return HttpResponse(400, {}, b'{"detail":"events: malformed"}')
        rejected = [
            {"index": index, "event_id": event.event_id, "field": "subject_id", "detail": "no"}
            for index, event in enumerate(batch.events)
            if event.subject_id in self.refused
        ]
        if (batch.sender_id, batch.batch_seq) not in self.batches:
            self.order.extend(event.event_id for event in batch.events)
        self.batches[batch.sender_id, batch.batch_seq] = batch
        answer = {"accepted": len(batch.events) - len(rejected), "rejected": rejected}
        return HttpResponse(207 if rejected else 200, {}, msgspec.json.encode(answer))

    @property
    def arrived(self) -> set[str]:
        """The ids of all events that came, the refused ones too."""
        return set(self.order)

    @property
    def bodies(self) -> list[bytes]:
        return [request.body or b"" for request in self.requests]

    def sent_batches(self) -> list[SentBatch]:
        """Of every request, in order, repetitions too."""
        return [msgspec.json.decode(body, type=SentBatch) for body in self.bodies]


def told_lost(batches: Iterable[SentBatch]) -> int:
    """What one sender's batches say was lost; each number stands in them once."""
    known = list(batches)
    if not known:
        return 0
    last = max(known, key=lambda batch: batch.batch_seq)
    arrived = sum(len(batch.events) for batch in known)
    return last.dropped_total + last.events_before + len(last.events) - arrived


def ids_of(events: Iterable[SentEvent]) -> list[str]:
    return [event.event_id for event in events]
