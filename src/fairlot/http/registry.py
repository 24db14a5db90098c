"""A route is one line; the registry of all routes serves requests and is what openapi.py prints."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote

from fairlot.http.asgi import Handler, Receive, Scope, Send
from fairlot.http.body import BODY_LIMIT, ClientGone
from fairlot.http.problems import (
    ErrorShape,
    Problem,
    ProblemCode,
    Refused,
    not_found,
    problem_reply,
)
from fairlot.http.services import Services
from fairlot.logs import get_logger
from fairlot.service.actors import Scope as AccessScope

_log = get_logger(__name__)


class Auth(Enum):
    """What a route wants to know of its caller."""

    NONE = "none"
    TOKEN_IN_BODY = "token_in_body"  # noqa: S105 - a name
    BEARER_WHEN_PRIVATE = "bearer_when_private"
    API_KEY = "api_key"
    PREVIEW_TOKEN = "preview_token"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Answer:
    """One documented answer. Several `bodies` are alternatives; none is an opaque body, or with
    `media` None no body at all."""

    text: str
    bodies: tuple[Any, ...] = ()
    media: str | None = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """`path` has `{names}` for single segments, `query` is the struct of the query and `headers`
    are request headers that mean something here. `text` describes a body that is a document in
    YAML or JSON. `errors` are the statuses of refusals beside 405, each in the `shape` of the
    route. `scope` is what an API key needs. `aliases` are served and not documented."""

    method: str
    path: str
    summary: str
    handler: Callable[[Services], Handler]
    answers: Mapping[int, Answer]
    request: type | None = None
    query: type | None = None
    text: str | None = None
    headers: tuple[str, ...] = ()
    body_limit: int = BODY_LIMIT
    scope: AccessScope | None = None
    auth: Auth = Auth.NONE
    errors: tuple[int, ...] = ()
    shape: ErrorShape = problem_reply
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Served:
    """The handlers of one path, by method."""

    segments: tuple[bytes, ...]
    handlers: dict[str, Handler]
    shape: ErrorShape


@dataclass(slots=True)
class _Branch:
    """What may follow a segment of the templates; a named segment is tried after literal ones."""

    literal: "dict[bytes, _Branch]" = field(default_factory=dict)
    named: "_Branch | None" = None
    served: _Served | None = None

    def grown(self, segments: tuple[bytes, ...]) -> "_Branch":
        """The branch of a template, made as needed."""
        branch = self
        for segment in segments:
            if segment.startswith(b"{"):
                branch.named = branch.named or _Branch()
                branch = branch.named
            else:
                branch = branch.literal.setdefault(segment, _Branch())
        return branch

    def find(self, segments: list[bytes], at: int = 0) -> _Served | None:
        if at == len(segments):
            return self.served
        follows = self.literal.get(segments[at])
        found = None if follows is None else follows.find(segments, at + 1)
        if found is None and self.named is not None:
            found = self.named.find(segments, at + 1)
        return found


class Registry:
    """The ASGI callable that serves routes. `hot` is the path prefix that is tried before all
    others; whatever follows it belongs to its route, dots and slashes too."""

    def __init__(self, routes: Iterable[Route], services: Services, hot: str) -> None:
        self._requests = services.counts.requests
        self._exact: dict[bytes, _Served] = {}
        self._templates = _Branch()
        self._lately: dict[bytes, tuple[_Served, Mapping[str, str]]] = {}
        for route in routes:
            for path in (route.path, *route.aliases):
                self._place(route, path, route.handler(services))
        self._hot_prefix = hot.encode()
        self._hot = self._served(self._hot_prefix.split(b"/"))
        self._hot_handler = self._hot.handlers["POST"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the edge at which an unexpected error becomes a 500."""
        shape: ErrorShape = problem_reply
        try:
            if scope["raw_path"].startswith(self._hot_prefix):
                shape = self._hot.shape
                if scope["method"] == "POST":
                    reply = await self._hot_handler(scope, receive)
                else:
                    raise _method_not_allowed(self._hot)
            else:
                served = self._find(scope)
                shape = served.shape
                reply = await self._handler(served, scope["method"])(scope, receive)
        except Refused as refused:
            reply = shape(refused.problem)
        except ClientGone:
            return
        except Exception:  # noqa: BLE001 - the HTTP boundary
            _log.exception("http.request_failed", method=scope["method"])
            reply = shape(_INTERNAL)
        self._requests[reply.status] += 1
        await send(reply.start)
        await send(_NO_BODY if scope["method"] == "HEAD" else reply.body)

    def _place(self, route: Route, path: str, handler: Handler) -> None:
        segments = tuple(path.encode().split(b"/"))
        new = _Served(segments, {}, route.shape)
        if b"{" in path.encode():
            branch = self._templates.grown(segments)
            branch.served = known = branch.served or new
            if known.segments != segments:
                raise ValueError(f"{path}: another route names its segments differently")
        else:
            known = self._exact.setdefault(path.encode(), new)
        known.handlers[route.method] = handler

    def _find(self, scope: Scope) -> _Served:
        path: bytes = scope["raw_path"]
        served = self._exact.get(path)
        if served is not None:
            return served
        found = self._lately.get(path)
        if found is None:
            segments = path.split(b"/")
            served = self._served(segments)
            found = served, _values(served.segments, segments)
            if path.startswith(_NAMES_NOBODY) and len(self._lately) < _PATHS_REMEMBERED:
                self._lately[path] = found
        served, scope["path_params"] = found
        return served

    def _served(self, segments: list[bytes]) -> _Served:
        served = self._templates.find(segments)
        if served is None or any(_NUL in segment for segment in segments):
            raise not_found("nothing is here; GET /openapi.json lists all paths")
        return served

    def _handler(self, served: _Served, method: str) -> Handler:
        handler = served.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise _method_not_allowed(served)
        return handler


# The paths of faces hold no subject ids, so they can be remembered, the first so many.
_NAMES_NOBODY = b"/v1/"
_PATHS_REMEMBERED = 1024
_NUL = b"%00"  # which no database keeps, so nothing has such a name
_NO_BODY = {"type": "http.response.body", "body": b""}
_INTERNAL = Problem(
    500, ProblemCode.INTERNAL, "the server failed on this request; its log says why"
)


def _values(template: tuple[bytes, ...], segments: list[bytes]) -> dict[str, str]:
    """Of the template's names, each percent-decoded once, after the split."""
    return {
        name[1:-1].decode(): unquote(given.decode("latin-1"))
        for name, given in zip(template, segments, strict=True)
        if name.startswith(b"{")
    }


def _method_not_allowed(served: _Served) -> Refused:
    methods = sorted({*served.handlers, *({"HEAD"} if "GET" in served.handlers else ())})
    allowed = ", ".join(methods)
    return Refused(
        Problem(
            405,
            ProblemCode.METHOD_NOT_ALLOWED,
            f"use {' or '.join(methods)} here",
            headers=((b"allow", allowed.encode()),),
        )
    )
