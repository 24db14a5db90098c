"""The URL of a request as the visitor sees it."""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_NOT_IN_HOST: Final = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_SCHEMES: Final = {"ws": "http", "wss": "https"}
_LITERAL: Final = "/:@!$&'()*+,;=~"


def visible_url(scheme: str, host: str | None, path: str, query: bytes | str) -> str:
    """`path` is percent-encoded. Without a host that can stand in a URL it is a relative one, which
    only patterns of paths match."""
    target = f"{path}?{quote(query, safe=_LITERAL + '%?')}" if query else path
    if host and not _NOT_IN_HOST.search(host):
        return f"{_SCHEMES.get(scheme, scheme)}://{host}{target}"
    return "/" + target.lstrip("/")


def encoded_path(raw: bytes | None, path: bytes) -> str:
    """`raw`, the path as it came over the wire, when that is known and nobody has rewritten `path`,
    its decoded form; else `path`, encoded. Only the first tells `%2F` from `/`."""
    if raw is not None and unquote_to_bytes(raw) == path:
        return escaped_path(raw)
    return quote(path, safe=_LITERAL)


def escaped_path(path: bytes | str) -> str:
    """What is percent-encoded stays so."""
    return quote(path, safe=_LITERAL + "%")
