"""Moments on the wire: RFC 3339 with an offset, and `null` for none."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, overload

import msgspec

from fairlot.http.problems import invalid_fields
from fairlot.manifest.instants import write_instant

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Since the epoch. Refused (400) outside of the years 1970 to 9999, in UTC."""
    found = (instant - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= found <= _LAST_MS:
        raise invalid_fields(
            f"{instant.isoformat()}: name a moment of the years 1970 to 9999, in UTC"
        )
    return found


@overload
def written(instant_ms: int) -> str: ...
@overload
def written(instant_ms: int | None) -> str | None: ...
def written(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else write_instant(instant_ms)


class Expire(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Of a credential."""

    expires_at: Instant
