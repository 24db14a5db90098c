"""One call of the control plane, as a handler sees it, and what the handler answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection

from fairlot.http.asgi import JSON, NO_STORE, Reply
from fairlot.http.management.callers import Caller
from fairlot.http.management.preconditions import Precondition
from fairlot.http.services import Services
from fairlot.service.actors import Actor
from fairlot.store.tenants import OrganizationRow, ProjectRow

Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class Call(Generic[Asked]):
    """`asked` is the body, or the query where the body is a text or there is none. `transaction` is
    None for a route apart. `project` is None where the path names none. `list_name` is of the list
    that a cursor belongs to, and `project_header` what `X-Fairlot-Project` says. `ahead` is what
    was done of a change before its transaction began, where its route does something then."""

    services: Services
    transaction: Connection | None
    caller: Caller
    organization: OrganizationRow
    project: ProjectRow | None
    path: Mapping[str, str]
    asked: Asked
    body: bytes
    precondition: Precondition
    now_ms: int
    list_name: str
    project_header: str | None = None
    ahead: Any = None

    @property
    def connection(self) -> Connection:
        """The transaction of this call: what the handler does in it, the record of it and the
        stored reply are kept together or not at all. A route apart has none: it opens its own, and
        holds none while it works."""
        if self.transaction is None:
            raise LookupError("a route apart has no transaction of its call")
        return self.transaction

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    @property
    def tenant(self) -> ProjectRow:
        """The project that the path names."""
        if self.project is None:
            raise LookupError("the path of this route names no project")
        return self.project


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler answers; `body` None is no body. Headers are in lower case."""

    body: msgspec.Struct | bytes | None = None
    status: int = 200
    etag: str | None = None
    media: str = "application/json"
    headers: Mapping[str, str] | None = None

    def reply(self) -> Reply:
        if self.body is None:
            return Reply(self.status, b"", (NO_STORE, *self._own_headers()))
        text = self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        kind = JSON if self.media == "application/json" else (b"content-type", self.media.encode())
        return Reply(self.status, text, (kind, NO_STORE, *self._own_headers()))

    def _own_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        named = dict(self.headers or {})
        if self.etag is not None:
            named["etag"] = self.etag
        return tuple((name.encode(), value.encode("latin-1")) for name, value in named.items())
