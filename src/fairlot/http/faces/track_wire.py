"""The requests and answers of track, identify and batch, as their owner documents them."""

from typing import Annotated, Any

import msgspec

MAX_TOKEN = 250
MAX_EVENT = 1_000
MAX_ID = 400
MAX_EMAIL = 1_000
MAX_TEXT = 2_000
MAX_URL = 3_000
MAX_REFERRER = 3_500
MAX_ROWS = 10_000
ROW_BYTES = 4 << 20
BATCH_BYTES = 8 << 20

_Token = Annotated[
    str, msgspec.Meta(min_length=1, max_length=MAX_TOKEN, description="A source token.")
]
_Event = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_EVENT)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)] | None
_Email = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_EMAIL)] | None
_Time = Annotated[
    float, msgspec.Meta(description="Milliseconds since the epoch, of the last 7 days.")
]
_Properties = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="At most 200 names, 5 levels of objects and 1,048,575 characters as JSON;"
        " lists are cut to 250 items."
    ),
]


class IdentityContext(msgspec.Struct, frozen=True, rename="camel"):
    """Of the end user, whose server asks. Both are used and not stored."""

    ip: str | None = None
    user_agent: str | None = None


class _Person(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who is meant: `userId` as it is; else whoever `externalId`, then `email`, then
    `userProperties.phone_number` names; else somebody new."""

    user_id: _Id = None
    external_id: _Id = None
    email: _Email = None
    user_properties: dict[str, Any] | None = None
    default_properties: dict[str, Any] | None = None
    identity_context: IdentityContext | None = None


class TrackRow(_Person, frozen=True, kw_only=True, rename="camel"):
    """One event of a batch. `distinctId` is the sender's own id of it: it counts once."""

    event: _Event
    distinct_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
    time: _Time | None = None
    event_properties: _Properties | None = None


class TrackRequest(_Person, frozen=True, kw_only=True, rename="camel"):
    """Somebody did something. Without `distinctId` a request that is sent again counts once if it
    has a `time`, else again."""

    token: _Token
    event: _Event
    distinct_id: _Id = None
    time: _Time | None = None
    event_properties: _Properties | None = None


class IdentifyRequest(_Person, frozen=True, kw_only=True, rename="camel"):
    """What is known of somebody: a value sets, null clears, "" changes nothing; the
    `custom_properties` are merged."""

    token: _Token
    user_properties: dict[str, Any]


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    token: _Token
    events: Annotated[list[TrackRow], msgspec.Meta(max_length=MAX_ROWS)]


_TRUE = msgspec.Meta(extra_json_schema={"const": True})


class Taken(msgspec.Struct, frozen=True):
    """It is on disk."""

    success: Annotated[bool, _TRUE] = True


class RowResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row that was refused would be refused again: `message` says why."""

    index: int
    success: bool
    code: Annotated[str, msgspec.Meta(extra_json_schema={"const": "invalid_event"})] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET


class BatchTaken(msgspec.Struct, frozen=True):
    """One result for each row, in their order; the accepted rows are on disk."""

    success: bool
    accepted: int
    failed: int
    results: tuple[RowResult, ...]
