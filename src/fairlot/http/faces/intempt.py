"""What all routes of Intempt's have in common: who may, and how bodies and ids are read."""

import re
from typing import Any, Final, TypeVar

import msgspec

from fairlot.http.admission import admit_key
from fairlot.http.asgi import Scope
from fairlot.http.auth import authorized
from fairlot.http.body import decoded
from fairlot.http.problems import invalid_fields
from fairlot.http.services import Services
from fairlot.service.snapshot import Tenant

MAX_ID_CHARS: Final = 400
PATH: Final = "/v1/{org}/projects/{project}"
NAME: Final = re.compile(r"[a-zA-Z0-9_-]*", re.ASCII)
_Document = TypeVar("_Document")
SourceId = str | int | None


def admitted(services: Services, scope: Scope, scope_name: str) -> Tenant:
    """The project of the path, for a live key that has the scope and asks no more than it may.
    Raises Refused: 401, 404, 403 or 429."""
    tenant, key = authorized(services, scope, scope_name)
    admit_key(services, key, tenant.tier)
    return tenant


def read(body: bytes, decoder: msgspec.json.Decoder[_Document]) -> _Document:
    """Raises Refused (400)."""
    if b"\\u0000" in body:
        raise invalid_fields("the body holds U+0000; leave it out of every text")
    return decoded(body, decoder)


def id_of(name: str, given: Any) -> str | None:
    """An id as text; blank is as good as none, a number stands for its digits. Raises Refused
    (400)."""
    if given is None:
        return None
    text = str(given)
    if not text.strip():
        return None
    if len(text) > MAX_ID_CHARS:
        raise invalid_fields(f"{name}: over {MAX_ID_CHARS} characters; send a shorter one")
    return text


def refuse_names(field: str, names: Any) -> None:
    """Raises Refused (400) if one of them is no possible name."""
    for name in names or ():
        if NAME.fullmatch(name) is None:
            raise invalid_fields(
                f"{field}: {name[:80]!r} may hold a to z, A to Z, 0 to 9, _ and - only"
            )
