"""What a sender says of what happened: the rows of `POST .../events`, as they travel.

The records of the log (`records.py`) add what the server knows: the project, when a row arrived,
how far it is trusted and who sent it. The limits are those of the server; making a row does not
check them.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from fairlot.engine.model import Reason
from fairlot.events.records import Actor

MAX_BATCH_BYTES = 1 << 20
MAX_EVENTS = 1000
MAX_SUBJECT_CHARS = 400
MAX_NAME_CHARS = 200
MAX_TEXT_CHARS = 1000
MAX_URL_CHARS = 8192
MAX_PROPERTIES_BYTES = 8 << 10
# What every reader of the log, JavaScript and double-precision columns too, can hold.
MAX_INTEGER = (1 << 53) - 1
EARLIEST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z

SubjectText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SUBJECT_CHARS)]
NameText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
# Empty where a manifest that was written by hand has no ids.
IdText = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
Instant = Annotated[
    int,
    msgspec.Meta(
        ge=EARLIEST_MS,
        le=MAX_INTEGER,
        description="Milliseconds since the epoch, UTC. An RFC 3339 text is taken too.",
    ),
]
Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class _Sent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """`event_id` is the sender's, so that a repeated row counts once; `at` is milliseconds since
    the epoch, UTC."""

    event_id: NameText
    subject_id: SubjectText
    at: Instant
    tenant_id: SubjectText | None = None
    session_id: NameText | None = None
    actor: Actor = Actor.HUMAN
    properties: Mapping[str, Any] | None = None


class SentExposure(_Sent, frozen=True, kw_only=True, omit_defaults=True, tag="exposure"):
    """A subject was shown a variant. `unit_id` is whose id was hashed; `failure` says that showing
    the variant failed. A `reason` of preview is refused: previews are not recorded."""

    experiment_id: IdText
    experiment_key: NameText
    unit_id: SubjectText
    variant_key: NameText
    variant_id: IdText
    manifest_version: Number
    hash_version: Number
    reason: Reason
    failure: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)] | None = None
    device: Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)] | None = None
    url: Annotated[str, msgspec.Meta(max_length=MAX_URL_CHARS)] | None = None


class SentConversion(_Sent, frozen=True, kw_only=True, omit_defaults=True, tag="conversion"):
    """A subject did something, worth `value` if that is known."""

    event_name: NameText
    value: float | None = None


class SentIdentity(_Sent, frozen=True, kw_only=True, omit_defaults=True, tag="identity"):
    """The anonymous `subject_id` turned out to be the user `user_id`."""

    user_id: SubjectText


SentEvent = SentExposure | SentConversion | SentIdentity


class SentBatch(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What one request carries. `sender_id` names a run of a sending process, whose batches count
    from 1; a batch that is sent again keeps its number. `events_before` is how many events the
    batches with lower numbers held, `dropped_total` how many events this sender has given up so
    far without putting them into a batch: from these the server knows what was lost."""

    sender_id: NameText
    batch_seq: Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
    events: Annotated[tuple[SentEvent, ...], msgspec.Meta(max_length=MAX_EVENTS)]
    events_before: Number = 0
    dropped_total: Number = 0
    source: NameText | None = None
