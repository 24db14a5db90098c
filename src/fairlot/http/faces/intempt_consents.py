"""Intempt's consents: whether a subject may be recorded, kept with the profile."""

from functools import partial
from typing import Any, Final, Literal

import msgspec

from fairlot.engine.errors import shorten
from fairlot.events.batches import AHEAD_ALLOWED_MS
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.body import read_body
from fairlot.http.faces.intempt import SourceId, admitted, id_of, read
from fairlot.http.faces.intempt_track_wire import EARLIEST_MS
from fairlot.http.problems import invalid_fields, unavailable
from fairlot.http.services import Services
from fairlot.profiles import Claim, claim_of_source, claim_of_subject
from fairlot.profiles.consents import GENERAL, MAX_CATEGORY_CHARS
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.privacy.answering import answered
from fairlot.service.profiles import ChangeRefused, ProfilesUnavailable, Work

_UNLIMITED: Final = "unlimited"
_SECONDS_BEFORE: Final = 100_000_000_000
"""A number below it is a moment in seconds, as SDKs send it; else in ms: 1973 and the year 5138."""
_STORED: Final = Reply(200, b"{}", (JSON, NO_STORE))


class ConsentRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Moments are seconds or milliseconds since the epoch; a `timestamp` that is absent, before
    2010 or ahead of the server's clock is taken as now. `validUntil` absent or `unlimited` is
    without end. Without a `category`, of 100 characters at most, it is about everything. Other
    fields, as `email` and `message`, are accepted and not kept."""

    action: Literal["accept", "reject"]
    timestamp: int | float | None = None
    valid_until: int | float | str | None = None
    source: str | None = None
    category: str | None = None
    source_id: SourceId = None
    profile_id: str | None = None
    user_id: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """Nothing more."""


_decoder: Final = msgspec.json.Decoder(ConsentRequest)


def consent(services: Services) -> Handler:
    """POST /v1/{org}/projects/{project}/consents/data"""

    async def answer(scope: Scope, receive: Receive) -> Reply:
        tenant = admitted(services, scope, AccessScope.INGEST)
        request = read(await read_body(scope, receive), _decoder)
        now_ms = services.clock_ms()
        given = partial(
            answered,
            category=_category_of(request),
            accepted=request.action == "accept",
            at_ms=_given_at_ms(request.timestamp, now_ms),
            valid_until_ms=_valid_until_ms(request.valid_until),
            source=id_of("source", request.source),
        )
        work = Work(tenant.project_id, _claim_of(request), now_ms, consents=(given,), is_seen=False)
        try:
            await services.profiles.apply(work)
        except ProfilesUnavailable as error:
            raise unavailable(str(error)) from None
        except ChangeRefused as error:
            raise invalid_fields(str(error)) from None
        return _STORED

    return answer


def _claim_of(request: ConsentRequest) -> Claim:
    source_id = id_of("sourceId", request.source_id)
    profile_id = id_of("profileId", request.profile_id)
    user_id = id_of("userId", request.user_id)
    if source_id is not None and profile_id is not None:
        return claim_of_source(source_id, profile_id, user_id=user_id)
    if user_id is not None:
        return claim_of_subject(user_id, user_id=user_id)
    raise invalid_fields("send sourceId together with profileId, or userId")


def _category_of(request: ConsentRequest) -> str:
    category = id_of("category", request.category) or GENERAL
    if len(category) > MAX_CATEGORY_CHARS:
        raise invalid_fields(
            f"category: {shorten(category)} has {len(category)} characters; send at most"
            f" {MAX_CATEGORY_CHARS}"
        )
    return category


def _given_at_ms(timestamp: float | None, now_ms: int) -> int:
    """What was given in this very second counts from now, else a clock that counts seconds would
    put an answer before the one that it takes back."""
    at_ms = now_ms if timestamp is None else _milliseconds(timestamp)
    if timestamp is not None and timestamp < _SECONDS_BEFORE and at_ms <= now_ms < at_ms + 1000:
        return now_ms
    return at_ms if EARLIEST_MS <= at_ms <= now_ms + AHEAD_ALLOWED_MS else now_ms


def _valid_until_ms(given: Any) -> int | None:
    if given is None or given == _UNLIMITED:
        return None
    if isinstance(given, str):
        raise invalid_fields(f"validUntil: {given[:80]!r} must be a number, or {_UNLIMITED!r}")
    return _milliseconds(given)


def _milliseconds(moment: float) -> int:
    """A moment that no clock reaches stands for one that it does not."""
    bounded = min(max(moment, 0), float(1 << 53))
    return int(bounded * 1000) if bounded < _SECONDS_BEFORE else int(bounded)
