"""The records of the event log, with the field names of the public columns."""

from collections.abc import Mapping
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


class Assignment(msgspec.Struct, frozen=True, gc=False):
    """The remembered variant of a unit, and when and by which manifest it was first given."""

    experiment_id: str
    experiment_key: str
    unit_id: str
    variant_key: str
    manifest_version: int
    assigned_at_ms: int


def exposure_columns(exposure: Exposure) -> dict[str, Any]:
    """The public columns: `occurred_at` and `received_at` as aware UTC, enums as their text."""
    columns: dict[str, Any] = {}
    for name in exposure.__struct_fields__:
        value = getattr(exposure, name)
        if name.endswith("_at_ms"):
            columns[name.removesuffix("_ms")] = _EPOCH + timedelta(milliseconds=value)
        else:
            columns[name] = value.value if isinstance(value, StrEnum) else value
    return columns
