"""The frame around every handler of the control plane.

A request is authenticated, checked for its scope and throttled in the event loop, from memory,
before its body is read. All that may block runs in a thread of the control plane's own, in one
transaction: so a long plan takes no thread from decisions. What may take minutes runs apart, and
without a transaction: one that idles for a minute is ended by PostgreSQL.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import Handler, Receive, Reply, Scope, header
from fairlot.http.body import BODY_LIMIT, converted, decoded, read_body
from fairlot.http.management.call import Call, Outcome
from fairlot.http.management.callers import Caller, admit, caller_in, demand, demand_still_live
from fairlot.http.management.preconditions import Precondition, read_precondition
from fairlot.http.management.replays import answered_once, read_idempotency_key
from fairlot.http.management.tenants import tenant_of
from fairlot.http.registry import Answer, Auth, Route
from fairlot.http.services import Services
from fairlot.http.statuses import refused
from fairlot.logs import get_logger
from fairlot.service.actors import Scope as AccessScope

Asked = TypeVar("Asked")
Handle = Callable[[Call[Any]], Outcome]
_log = get_logger(__name__)

_ALWAYS: Final = (401, 403, 404, 429, 503)
_CONDITIONAL: Final = ("If-Match", "If-None-Match")


@dataclass(frozen=True, slots=True)
class _Frame:
    """`asked` is read from the query or from the body. `whole` refuses keys that are limited to
    some projects. `apart` runs in the threads of results and without a transaction, since it may
    take minutes. `ahead` is run before the transaction of a change, which holds up all others."""

    scope: AccessScope
    handle: Handle
    writes: bool
    asks_by_query: bool
    asked: type | None
    body_limit: int
    whole: bool
    apart: bool = False
    ahead: Callable[[Call[Any]], Any] | None = None


def read(
    path: str,
    summary: str,
    scope: AccessScope,
    handle: Callable[[Call[Asked]], Outcome],
    answers: Mapping[int, Answer],
    *,
    query: type[Asked] | None = None,
    whole: bool | None = None,
    apart: bool = False,
    errors: tuple[int, ...] = (),
) -> Route:
    """GET: `query` is the struct of the parameters. `whole` is whether a key that is limited to
    some projects is refused; by default it is where the path names no project. `apart` is for what
    reads all events of an experiment: its call has no `connection`."""
    frame = _Frame(scope, handle, False, True, query, 0, _is_whole(path, whole), apart)
    return Route(
        "GET",
        path,
        summary,
        _in_frame(frame),
        answers,
        query=query,
        auth=Auth.API_KEY,
        scope=scope,
        errors=(*_ALWAYS, *(() if query is None else (400,)), *errors),
    )


def ask(
    path: str,
    summary: str,
    scope: AccessScope,
    handle: Callable[[Call[Asked]], Outcome],
    answers: Mapping[int, Answer],
    *,
    request: type[Asked],
    headers: tuple[str, ...] = (),
    body_limit: int = BODY_LIMIT,
    whole: bool | None = None,
    errors: tuple[int, ...] = (),
) -> Route:
    """POST that changes nothing: a question that is too long for a query."""
    frame = _Frame(scope, handle, False, False, request, body_limit, _is_whole(path, whole))
    return Route(
        "POST",
        path,
        summary,
        _in_frame(frame),
        answers,
        request=request,
        headers=headers,
        body_limit=body_limit,
        auth=Auth.API_KEY,
        scope=scope,
        errors=(*_ALWAYS, 400, 413, *errors),
    )


def write(
    method: str,
    path: str,
    summary: str,
    scope: AccessScope,
    handle: Callable[[Call[Asked]], Outcome],
    answers: Mapping[int, Answer],
    *,
    request: type[Asked] | None = None,
    query: type[Asked] | None = None,
    text: str | None = None,
    conditional: bool = False,
    body_limit: int = BODY_LIMIT,
    whole: bool | None = None,
    ahead: Callable[[Call[Asked]], Any] | None = None,
    errors: tuple[int, ...] = (),
) -> Route:
    """A change. An absent body is `{}`. With `text`, which says what it is, the body is not JSON
    but `call.body`; then, or without a body, `query` is what is asked. `conditional` documents
    `If-Match` and its refusals; the handler checks `call.precondition`. What `ahead` gives, in a
    transaction that reads, is `call.ahead`: the handler checks that it still holds."""
    asked = request or query
    frame = _Frame(
        scope,
        handle,
        True,
        request is None,
        asked,
        body_limit,
        _is_whole(path, whole),
        ahead=ahead,
    )
    return Route(
        method,
        path,
        summary,
        _in_frame(frame),
        answers,
        request=request,
        query=query,
        text=text,
        headers=("Idempotency-Key", *(_CONDITIONAL if conditional else ())),
        body_limit=body_limit,
        auth=Auth.API_KEY,
        scope=scope,
        errors=(*_ALWAYS, 400, 413, 422, *((412, 428) if conditional else ()), *errors),
    )


def _is_whole(path: str, whole: bool | None) -> bool:
    return "{project}" not in path if whole is None else whole


def _in_frame(frame: _Frame) -> Callable[[Services], Handler]:
    decoder: msgspec.json.Decoder[Any] | None = None
    if frame.asked is not None:
        decoder = msgspec.json.Decoder(frame.asked)

    def build(services: Services) -> Handler:
        async def answer(scope: Scope, receive: Receive) -> Reply:
            names = scope["path_params"]
            caller = caller_in(services, scope, names["org"])
            demand(services, caller, frame.scope, whole=frame.whole)
            admit(services, caller, names["org"], names.get("project"))
            body = await read_body(scope, receive, frame.body_limit)
            work = _Work(frame, decoder, services, scope, caller, body)
            if frame.apart:
                return await services.results.in_thread(work.reply)
            return await services.in_control_thread(work.reply)

        return answer

    return build


@dataclass(frozen=True, slots=True)
class _Work:
    """What a thread does of one request."""

    frame: _Frame
    decoder: msgspec.json.Decoder[Any] | None
    services: Services
    scope: Scope
    caller: Caller
    body: bytes

    def reply(self) -> Reply:
        try:
            reply = self._answered()
        except FairlotError as error:
            raise refused(error) from error
        if self.frame.writes:
            self._follow()
        return reply

    def _answered(self) -> Reply:
        asked = self._asked()
        if self.frame.apart:
            with self.services.store.reading() as connection:
                call = self._call(connection, asked, Precondition())
            return self.frame.handle(replace(call, transaction=None)).reply()
        if not self.frame.writes:
            with self.services.store.reading() as connection:
                return self.frame.handle(self._call(connection, asked, Precondition())).reply()
        once = read_idempotency_key(self.scope, self.body)
        precondition = read_precondition(self.scope)
        ahead = self._done_ahead(asked, precondition)
        with self.services.store.writing() as connection:
            call = replace(self._call(connection, asked, precondition), ahead=ahead)
            demand_still_live(connection, self.caller, call.now_ms)
            return answered_once(call, once, lambda: self.frame.handle(call).reply())

    def _done_ahead(self, asked: Any, precondition: Precondition) -> Any:
        if self.frame.ahead is None:
            return None
        with self.services.store.reading() as connection:
            return self.frame.ahead(self._call(connection, asked, precondition))

    def _call(self, connection: Connection, asked: Any, precondition: Precondition) -> Call[Any]:
        path = self.scope["path_params"]
        organization, project = tenant_of(self.services, connection, self.caller, path)
        return Call(
            services=self.services,
            transaction=connection,
            caller=self.caller,
            organization=organization,
            project=project,
            path=path,
            asked=asked,
            body=self.body,
            precondition=precondition,
            now_ms=self.services.clock_ms(),
            list_name=self.scope["raw_path"].decode("latin-1"),
            project_header=_project_header(self.scope),
        )

    def _asked(self) -> Any:
        if self.frame.asked is None or self.decoder is None:
            return None
        if not self.frame.asks_by_query:
            return decoded(self.body or b"{}", self.decoder)
        pairs = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = {name: value for name, value in pairs if name != "apiKey"}
        return converted(given, self.frame.asked)

    def _follow(self) -> None:
        """So that this worker's next answer knows of the change. It is made already: when that
        fails, the worker's next poll does it."""
        try:
            self.services.after_change()
        except FairlotError as error:
            _log.warning("control.follow_failed", code=error.code, error=str(error))


def _project_header(scope: Scope) -> str | None:
    named = header(scope, b"x-fairlot-project")
    return None if named is None else named.decode("latin-1")
