"""Track, identify and batch: Ours Privacy's ingest, over our event log and profiles."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from fairlot.events import Trust
from fairlot.events.loose_json import read_loosely
from fairlot.http.admission import admit_address, admit_tier
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope, header
from fairlot.http.auth import source_of_token
from fairlot.http.body import BODY_LIMIT, read_body
from fairlot.http.faces.origins import allowing
from fairlot.http.faces.track_rows import InvalidRow, RowReader
from fairlot.http.faces.track_wire import (
    BATCH_BYTES,
    MAX_ROWS,
    MAX_TOKEN,
    ROW_BYTES,
    BatchTaken,
    RowResult,
)
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import Problem, ProblemCode, Refused, invalid_fields, unavailable
from fairlot.http.services import Services
from fairlot.service.profiles import ChangeRefused, ProfilesUnavailable
from fairlot.service.snapshot import SourceToken
from fairlot.service.tracking import Sender, Tracked, Tracking
from fairlot.warehouse.log import LogUnavailable

TRACK: Final = "/api/v1/track"
IDENTIFY: Final = "/api/v1/identify"
BATCH: Final = "/api/v1/batch"

_HEADERS: Final = (JSON, NO_STORE)
_TAKEN: Final = b'{"success":true}'
# What is read in a millisecond or so does not need a thread.
_READ_AT_ONCE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose token is live. `headers` let a page read the answer."""

    scope: Scope
    source: SourceToken
    fields: dict[str, Any]
    size: int
    headers: tuple[tuple[bytes, bytes], ...]


def track(services: Services) -> Handler:
    """POST /api/v1/track"""
    face = _Face(services)
    return face.answering(face.track, ROW_BYTES)


def identify(services: Services) -> Handler:
    """POST /api/v1/identify"""
    face = _Face(services)
    return face.answering(face.identify, ROW_BYTES)


def batch(services: Services) -> Handler:
    """POST /api/v1/batch"""
    face = _Face(services)
    return face.answering(face.batch, BATCH_BYTES)


class _Face:
    """The checks come in this order: media type, size, JSON, token, throttle, fields."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counts = services.counts
        self._tracking = Tracking(services.log, services.profiles, services.privacy.rejects_as)

    def answering(self, answer: Callable[[_Asked], Awaitable[Reply]], limit: int) -> Handler:
        async def handle(scope: Scope, receive: Receive) -> Reply:
            asked = await self._asked(scope, receive, limit)
            try:
                self._admit(asked)
                return await answer(asked)
            except Refused as refused:
                problem = refused.problem
                headers = (*problem.headers, *asked.headers)
                raise Refused(replace(problem, headers=headers)) from None

        return handle

    async def track(self, asked: _Asked) -> Reply:
        reader = self._reader(asked)
        return await self._one(asked, "track", lambda: reader.event(asked.fields, of_batch=False))

    async def identify(self, asked: _Asked) -> Reply:
        reader = self._reader(asked)
        return await self._one(asked, "identify", lambda: reader.identify(asked.fields))

    async def batch(self, asked: _Asked) -> Reply:
        """A row that cannot be recorded does not spoil the others."""
        rows = asked.fields.get("events")
        if not isinstance(rows, list):
            raise invalid_fields("events: must be a list of events")
        if len(rows) > MAX_ROWS:
            raise _too_large(f"events: {len(rows)} of them; send at most {MAX_ROWS}", MAX_ROWS)
        reader = self._reader(asked)
        found = await self._read(asked, lambda: [_row(reader, row) for row in rows])
        taken = [each for each in found if isinstance(each, Tracked)]
        await self._record(asked, "batch", taken)
        failed = len(found) - len(taken)
        self._counts.events_rejected += failed
        answer = BatchTaken(not failed, len(taken), failed, tuple(_results(found)))
        return self._reply(asked, msgspec.json.encode(answer), 207 if failed else 200)

    async def _one(self, asked: _Asked, source: str, read: Callable[[], Tracked]) -> Reply:
        try:
            tracked = await self._read(asked, read)
        except InvalidRow as error:
            self._counts.events_rejected += 1
            raise invalid_fields(str(error)) from None
        await self._record(asked, source, (tracked,))
        return self._reply(asked, _TAKEN)

    async def _record(self, asked: _Asked, source: str, tracked: Sequence[Tracked]) -> None:
        trust = Trust.PUBLIC if asked.source.is_public else Trust.SERVER
        tenant = asked.source.tenant
        is_private = wants_privacy(asked.scope, tenant)
        sender = Sender(tenant.project_id, trust, source, is_private)
        try:
            recorded = await self._tracking.record(sender, tracked, self._services.clock_ms())
        except LogUnavailable:
            self._counts.event_batches_refused += 1
            raise unavailable(
                "the event log cannot take it; nothing is acknowledged, send it again as it is"
            ) from None
        except ProfilesUnavailable as error:
            self._counts.event_batches_refused += 1
            raise unavailable(f"{error}, with the same distinctId") from None
        except ChangeRefused as error:
            self._counts.events_rejected += len(tracked)
            raise invalid_fields(str(error)) from None
        self._counts.events["conversion"] += recorded
        self._counts.events_withheld += len(tracked) - recorded

    def _reader(self, asked: _Asked) -> RowReader:
        is_public = asked.source.is_public
        agent = header(asked.scope, b"user-agent") if is_public else None
        return RowReader(
            asked.source.tenant.project_id,
            self._services.clock_ms(),
            is_public=is_public,
            user_agent=None if agent is None else agent.decode("latin-1"),
        )

    async def _asked(self, scope: Scope, receive: Receive, limit: int) -> _Asked:
        _check_media(scope)
        body = await _read_body(scope, receive, limit)
        if len(body) <= _READ_AT_ONCE_BYTES:
            fields = _decoded(body)
        else:
            fields = await asyncio.to_thread(_decoded, body)
        token = fields.get("token")
        source = None
        if isinstance(token, str) and len(token) <= MAX_TOKEN:
            source = source_of_token(self._services, token.strip())
        if source is None:
            raise _unauthorized("token: missing or not known; send a source token of the project")
        return _Asked(scope, source, fields, len(body), _headers_for(scope, source))

    def _admit(self, asked: _Asked) -> None:
        """How often, and how much at once, somebody may send whom nobody knows."""
        tenant = asked.source.tenant
        # apart, so that pages cannot use up what servers may send
        who = "page" if asked.source.is_public else "source"
        admit_tier(self._services, tenant.tier, f"{who}:{tenant.project_id}")
        if asked.source.is_public:
            admit_address(self._services, asked.scope)
            if asked.size > BODY_LIMIT:
                detail = f"the body is over {BODY_LIMIT} bytes, which a page may send; send less"
                raise _too_large(detail, BODY_LIMIT)

    async def _read(self, asked: _Asked, read: Callable[[], Any]) -> Any:
        if asked.size <= _READ_AT_ONCE_BYTES:
            return read()
        return await asyncio.to_thread(read)

    def _reply(self, asked: _Asked, body: bytes, status: int = 200) -> Reply:
        return Reply(status, body, (*_HEADERS, *asked.headers))


def _row(reader: RowReader, row: object) -> Tracked | InvalidRow:
    if not isinstance(row, dict):
        return InvalidRow("must be an object")
    try:
        return reader.event(row, of_batch=True)
    except InvalidRow as error:
        return error


def _results(found: Sequence[Tracked | InvalidRow]) -> Sequence[RowResult]:
    return [
        RowResult(index=index, success=True)
        if isinstance(each, Tracked)
        else RowResult(index=index, success=False, code="invalid_event", message=str(each))
        for index, each in enumerate(found)
    ]


def _headers_for(scope: Scope, source: SourceToken) -> tuple[tuple[bytes, bytes], ...]:
    """Refused (401) for a token of pages that comes from elsewhere."""
    if source.allowed_origins is None:
        return ()
    origin = header(scope, b"origin") or b""
    if origin.decode("latin-1") not in source.allowed_origins:
        raise _unauthorized(
            "token: only pages of its allowed origins may use it; servers take a source token"
            " without origins"
        )
    return tuple(allowing(origin))


def _check_media(scope: Scope) -> None:
    """A page may post a text to another origin without being asked, JSON it may not."""
    media = (header(scope, b"content-type") or b"application/json").partition(b";")[0]
    if media.strip().lower() != b"application/json":
        detail = f"{media.decode('latin-1')[:80]!r}: send the body as application/json"
        raise Refused(Problem(415, ProblemCode.UNSUPPORTED_MEDIA_TYPE, detail))


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    try:
        return await read_body(scope, receive, limit)
    except Refused as refused:
        raise _too_large(refused.problem.detail, limit) from None


def _decoded(body: bytes) -> dict[str, Any]:
    """The object that a body is. Refused (400)."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        try:
            found = read_loosely(body)
        except ValueError as error:
            detail = f"the body is not valid JSON: {error}; send a JSON object"
            raise Refused(Problem(400, ProblemCode.MALFORMED_JSON, detail)) from None
    if not isinstance(found, dict):
        detail = "the body must be a JSON object with a token"
        raise Refused(Problem(400, ProblemCode.MALFORMED_JSON, detail))
    return found


def _too_large(detail: str, limit: int) -> Refused:
    return Refused(Problem(413, ProblemCode.TOO_LARGE, detail, extra={"limit": limit}))


def _unauthorized(detail: str) -> Refused:
    return Refused(Problem(401, ProblemCode.UNAUTHORIZED, detail))
