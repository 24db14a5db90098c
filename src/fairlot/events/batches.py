"""Read the body of `POST .../events`: records for the log, and the rows that cannot be recorded.

A good batch is decoded once, strictly. Only another one is read again row by row, so that a bad
row never spoils the others.
"""

import re
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.engine.errors import FairlotError
from fairlot.engine.model import Reason
from fairlot.events.ids import derived_event_id
from fairlot.events.loose_json import read_loosely
from fairlot.events.properties import properties_problem
from fairlot.events.records import Conversion, Exposure, Identity, ReceivedBatch, Trust
from fairlot.events.rows import Complaint, batch_complaints, is_sound, read_row
from fairlot.events.sent import (
    MAX_EVENTS,
    MAX_NAME_CHARS,
    SentBatch,
    SentConversion,
    SentEvent,
    SentExposure,
    SentIdentity,
)

AHEAD_ALLOWED_MS: Final = 5 * 60 * 1000
SENT_AT: Final = "fairlot.sent_at_ms"
"""The property that flags a set-back `at`: it holds what was sent."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_decode_strictly = msgspec.json.Decoder(SentBatch).decode


class RowProblem(msgspec.Struct, frozen=True):
    """Why one row was not recorded; `field` is empty when the row as a whole is meant."""

    index: int
    event_id: str | None
    field: str
    detail: str


class BatchRefusal(Enum):
    MALFORMED = "malformed"
    INVALID = "invalid"
    TOO_MANY_EVENTS = "too_many_events"


class BatchRefused(FairlotError):
    """A body that is no batch; nothing of it is recorded."""

    code = "batch_refused"

    def __init__(self, refusal: BatchRefusal, detail: str) -> None:
        self.refusal = refusal
        super().__init__(detail)


class ReadBatch(NamedTuple):
    batch: ReceivedBatch
    rejected: tuple[RowProblem, ...]


def read_batch(
    body: bytes, project_id: str, received_at_ms: int, trust: Trust = Trust.SERVER
) -> ReadBatch:
    """Raises BatchRefused."""
    try:
        # the decoder would let U+0000 through
        sent = None if b"\\u0000" in body else _decode_strictly(body)
    except (ValueError, RecursionError):
        sent = None
    if sent is not None:
        return _read(sent, list(sent.events), sent.events, project_id, received_at_ms, trust)
    fields = _fields_of(body)
    rows = fields["events"]
    numbers = {
        name: value for name, value in fields.items() if value is not None and name != "events"
    }
    sent = SentBatch(**numbers, events=())
    return _read(sent, [read_row(row) for row in rows], rows, project_id, received_at_ms, trust)


def _read(
    sent: SentBatch,
    events: list[SentEvent | Complaint],
    rows: Any,
    project_id: str,
    received_at_ms: int,
    trust: Trust,
) -> ReadBatch:
    """`rows` are the events as they were sent, for their ids."""
    recorder = _Recorder(sent, project_id, received_at_ms, trust)
    rejected = []
    for index, event in enumerate(events):
        complaint = event if isinstance(event, Complaint) else recorder.add(event)
        if complaint is not None:
            rejected.append(RowProblem(index, _id_of(rows[index]), *complaint))
    batch = ReceivedBatch(
        project_id=project_id,
        sender_id=sent.sender_id,
        batch_seq=sent.batch_seq,
        sent=len(events),
        rejected=len(rejected),
        events_before=sent.events_before,
        dropped_total=sent.dropped_total,
        source=sent.source,
        received_at_ms=received_at_ms,
        exposures=recorder.exposures,
        conversions=recorder.conversions,
        identities=recorder.identities,
    )
    return ReadBatch(batch, tuple(rejected))


class _Recorder:
    """Makes the records of one batch."""

    def __init__(self, sent: SentBatch, project_id: str, received_at_ms: int, trust: Trust) -> None:
        self.exposures: list[Exposure] = []
        self.conversions: list[Conversion] = []
        self.identities: list[Identity] = []
        self._project_id = project_id
        self._received_at_ms = received_at_ms
        self._latest_ms = received_at_ms + AHEAD_ALLOWED_MS
        self._of_batch = {
            "project_id": project_id,
            "received_at_ms": received_at_ms,
            "trust": trust,
            "source": sent.source,
            "sender_id": sent.sender_id,
            "batch_seq": sent.batch_seq,
        }

    def add(self, sent: SentEvent) -> Complaint | None:
        """Check what types cannot say, and make the record."""
        properties = sent.properties
        if properties is not None:
            problem = properties_problem(properties)
            if problem is not None:
                return Complaint("properties", problem)
        at = sent.at
        if at > self._latest_ms:
            properties = {**(properties or {}), SENT_AT: at}
            at = self._received_at_ms
        common = self._of_batch | {
            "event_id": self._event_id(sent.event_id),
            "subject_id": sent.subject_id,
            "occurred_at_ms": at,
            "tenant_id": sent.tenant_id,
            "session_id": sent.session_id,
            "actor": sent.actor,
            "properties": properties,
        }
        return self._record(sent, common)

    def _record(self, sent: SentEvent, common: dict[str, Any]) -> Complaint | None:
        match sent:
            case SentExposure():
                if sent.reason is Reason.PREVIEW:
                    return _PREVIEWED
                self.exposures.append(_exposure(sent, common))
            case SentConversion():
                self.conversions.append(
                    Conversion(event_name=sent.event_name, value=sent.value, **common)
                )
            case SentIdentity():
                self.identities.append(Identity(user_id=sent.user_id, **common))
        return None

    def _event_id(self, text: str) -> str:
        if _UUID.fullmatch(text):
            return text.lower()
        return derived_event_id(self._project_id, text)


_PREVIEWED: Final = Complaint("reason", "'preview': previews are not recorded; do not send them")


def _exposure(sent: SentExposure, common: dict[str, Any]) -> Exposure:
    return Exposure(
        experiment_id=sent.experiment_id,
        experiment_key=sent.experiment_key,
        unit_id=sent.unit_id,
        variant_key=sent.variant_key,
        variant_id=sent.variant_id,
        manifest_version=sent.manifest_version,
        hash_version=sent.hash_version,
        reason=sent.reason,
        failure=sent.failure,
        device=sent.device,
        url=sent.url,
        **common,
    )


def _id_of(row: Any) -> str | None:
    given = row.get("event_id") if isinstance(row, dict) else getattr(row, "event_id", None)
    if isinstance(given, str) and len(given) <= MAX_NAME_CHARS and is_sound(given):
        return given
    return None


def _fields_of(body: bytes) -> dict[str, Any]:
    """The members of a body that did not decode, all but its rows checked."""
    try:
        found = read_loosely(body)
    except ValueError as error:
        detail = f"the body is not valid JSON: {error}; send a JSON object"
        raise BatchRefused(BatchRefusal.MALFORMED, detail) from None
    if not isinstance(found, dict):
        raise BatchRefused(
            BatchRefusal.MALFORMED,
            "the body must be a JSON object with sender_id, batch_seq and events",
        )
    complaints = batch_complaints(found)
    if complaints:
        raise BatchRefused(
            BatchRefusal.INVALID, "; ".join(f"{each.field}: {each.detail}" for each in complaints)
        )
    if len(found["events"]) > MAX_EVENTS:
        raise BatchRefused(
            BatchRefusal.TOO_MANY_EVENTS,
            f"events: {len(found['events'])} of them; send at most {MAX_EVENTS} at once",
        )
    return found
