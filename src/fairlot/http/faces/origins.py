"""What browsers ask before a page of another origin may send something (CORS, Fetch standard)."""

import re
from typing import Final

from fairlot.http.asgi import Handler, Headers, Receive, Reply, Scope, header
from fairlot.http.services import Services

_VARY: Final = (b"vary", b"Origin")
_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9-]+( *, *[A-Za-z0-9-]+)*")
_PREFLIGHT_HEADERS: Final = b"content-type"


def preflight(services: Services) -> Handler:
    """OPTIONS: whether pages of the origin may post here. Whose token it is comes in the body, and
    is asked again there."""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        origin = header(scope, b"origin") or b""
        if origin.decode("latin-1") not in services.decisions.snapshot.public_origins:
            return Reply(204, b"", (_VARY,))
        asked = header(scope, b"access-control-request-headers") or b""
        is_sound = len(asked) <= 1_000 and _HEADER_NAMES.fullmatch(asked)
        return Reply(
            204,
            b"",
            (
                *allowing(origin),
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", asked if is_sound else _PREFLIGHT_HEADERS),
                (b"access-control-max-age", b"600"),
            ),
        )

    return answer


def allowing(origin: bytes) -> Headers:
    """For a page of this origin, which may read the answer."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"Retry-After"),
        _VARY,
    )
