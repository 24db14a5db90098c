"""The records of the event log, with the field names of the public columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from fairlot.engine.model import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Actor(StrEnum):
    HUMAN = "human"
    BOT = "bot"
    STAFF = "staff"


class Trust(StrEnum):
    """`PUBLIC` was sent with a publishable credential, so anyone could have sent it."""

    SERVER = "server"
    PUBLIC = "public"


class Exposure(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A subject was shown a variant. Instants are milliseconds since the epoch, UTC.

    `subject_id` is who was decided for and `unit_id` whose id was hashed; they differ when the
    unit is the account. `received_at_ms` is ours, `occurred_at_ms` may be the sender's.
    """

    event_id: str
    project_id: str
    experiment_id: str
    experiment_key: str
    subject_id: str
    unit_id: str
    variant_key: str
    variant_id: str
    manifest_version: int
    hash_version: int
    reason: Reason
    occurred_at_ms: int
    received_at_ms: int
    failure: str | None = None
    tenant_id: str | None = None
    session_id: str | None = None
    device: str | None = None
    url: str | None = None
    actor: Actor = Actor.HUMAN
    trust: Trust = Trust.SERVER
    source: str | None = None
    sender_id: str | None = None
    batch_seq: int | None = None
    properties: Mapping[str, Any] | None = None


class Conversion(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A subject did something, worth `value` if that is known. Instants as in `Exposure`."""

    event_id: str
    project_id: str
    subject_id: str
    event_name: str
    value: float | None
    occurred_at_ms: int
    received_at_ms: int
    tenant_id: str | None = None
    session_id: str | None = None
    actor: Actor = Actor.HUMAN
    trust: Trust = Trust.SERVER
    source: str | None = None
    sender_id: str | None = None
    batch_seq: int | None = None
    properties: Mapping[str, Any] | None = None


class Identity(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The anonymous `subject_id` turned out to be the user `user_id`. Instants as in `Exposure`."""

    event_id: str
    project_id: str
    subject_id: str
    user_id: str
    occurred_at_ms: int
    received_at_ms: int
    tenant_id: str | None = None
    session_id: str | None = None
    actor: Actor = Actor.HUMAN
    trust: Trust = Trust.SERVER
    source: str | None = None
    sender_id: str | None = None
    batch_seq: int | None = None
    properties: Mapping[str, Any] | None = None


Event = Exposure | Conversion | Identity


class ReceivedBatch(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one sender sent at once, and what of it is recorded: all of it or nothing.

    `sent` counts the events that the sender put in, `rejected` those of them that are not among
    the records. The other numbers are the sender's, as in `SentBatch`.
    """

    project_id: str
    sender_id: str
    batch_seq: int
    sent: int
    rejected: int
    events_before: int
    dropped_total: int
    source: str | None
    received_at_ms: int
    exposures: Sequence[Exposure] = ()
    conversions: Sequence[Conversion] = ()
    identities: Sequence[Identity] = ()

    @property
    def accepted(self) -> int:
        return self.sent - self.rejected

    @property
    def is_numbered(self) -> bool:
        """Whether a sender counts it; what the server records of its own is not counted."""
        return self.batch_seq > 0

    @staticmethod
    def of_server(
        exposures: Sequence[Exposure],
        conversions: Sequence[Conversion],
        identities: Sequence[Identity],
        received_at_ms: int,
    ) -> "list[ReceivedBatch]":
        """What the server records of its own, of any projects: one batch, or none of nothing."""
        count = len(exposures) + len(conversions) + len(identities)
        if not count:
            return []
        return [
            ReceivedBatch(
                project_id="",
                sender_id="",
                batch_seq=0,
                sent=count,
                rejected=0,
                events_before=0,
                dropped_total=0,
                source=None,
                received_at_ms=received_at_ms,
                exposures=exposures,
                conversions=conversions,
                identities=identities,
            )
        ]


class Assignment(msgspec.Struct, frozen=True, gc=False):
    """The remembered variant of a unit, and when and by which manifest it was first given."""

    experiment_id: str
    experiment_key: str
    unit_id: str
    variant_key: str
    manifest_version: int
    assigned_at_ms: int


def event_columns(event: Event) -> dict[str, Any]:
    """The public columns: `occurred_at` and `received_at` as aware UTC, enums as their text."""
    columns: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name.endswith("_at_ms"):
            columns[name.removesuffix("_ms")] = _EPOCH + timedelta(milliseconds=value)
        else:
            columns[name] = value.value if isinstance(value, StrEnum) else value
    return columns
