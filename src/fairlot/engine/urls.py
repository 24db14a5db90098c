"""Page addresses and the patterns that select them.

An address is read as a browser would write it: host in lower case and punycode, default port and
user info dropped, dot segments resolved, each path segment percent-decoded once (`%2F` stays), one
trailing slash dropped. Patterns are brought into the same form.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import re2

from fairlot.engine.errors import InvalidExperiment, located

MAX_PATTERNS: Final = 200
MAX_PATTERN_CHARS: Final = 2000
MAX_WILDCARDS: Final = 20
MAX_URL_CHARS: Final = 8192
MAX_HOST_CHARS: Final = 253
MAX_LABEL_CHARS: Final = 63

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f\\]")
_FORBIDDEN_IN_PATTERN: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_WILDCARD: Final = re.compile(r"(\*+)")
_ENCODED_SLASH: Final = re.compile(r"%2f", re.IGNORECASE)
_PATTERN_SCHEME: Final = re.compile(r"(https?)://", re.IGNORECASE)


# A read address: host (None for a relative one), path (begins with a slash), query. A plain tuple,
# because a named one costs as much as the rest of the reading.
Page = tuple[str | None, str, str]
PageTest = Callable[[Page], bool]


@lru_cache(maxsize=1024)  # visitors differ, the pages that they are on hardly do
def read_url(url: str) -> Page | None:
    """The page that an absolute, scheme-relative or `/relative` URL names; None if unparsable."""
    if len(url) > MAX_URL_CHARS or _FORBIDDEN.search(url):
        return None
    rest, _, _fragment = url.partition("#")
    rest, _, query = rest.partition("?")
    if rest.startswith("/") and not rest.startswith("//"):
        return None, normal_path(rest), query
    scheme, separator, rest = rest.partition("//")
    scheme = scheme.lower()
    if not separator or scheme not in ("http:", "https:", ""):
        return None
    authority, slash, path = rest.partition("/")
    host = read_host(authority, _DEFAULT_PORTS.get(scheme[:-1]))
    return None if host is None else (host, normal_path(slash + path), query)


def read_host(authority: str, default_port: str | None) -> str | None:
    """Host, and port when it is not the default, without user info; None if unparsable."""
    host, _, port = authority.rpartition("@")[2], "", ""
    if host.startswith("["):
        host, bracket, tail = host.partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            return None
        port = tail[1:]
        name = _ipv6(host[1:])
    else:
        host, _, port = host.partition(":")
        name = _domain(host)
    if not name or not _is_port(port):
        return None
    number = port.lstrip("0") or port[:1]
    return name if not port or number == default_port else f"{name}:{number}"


def normal_path(path: str) -> str:
    """A path with dot segments resolved, segments decoded once, one trailing slash dropped."""
    if "/." in path or "%" in path:
        path = "/".join(map(decode_once, _resolve_dots(path.split("/"))))
    if path.endswith("/"):
        path = path[:-1]
    return path or "/"


def decode_once(text: str) -> str:
    """Percent-decoding as UTF-8, invalid bytes as U+FFFD, an encoded slash left encoded."""
    if "%" not in text:
        return text
    return "%2F".join(unquote(part, errors="replace") for part in _ENCODED_SLASH.split(text))


def compile_url_patterns(patterns: Iterable[str]) -> PageTest:
    """A function that says whether any of `patterns` matches a page.

    `*` is any run of characters but `/`, `**` any run at all. A pattern that begins with `/` is a
    path on every host; others are host and path, with or without a scheme.
    """
    exact: set[str] = set()
    paths: list[Callable[[str], bool]] = []
    addresses: list[Callable[[str], bool]] = []
    for index, pattern in enumerate(patterns):
        with located(f"[{index}]"):
            if index == MAX_PATTERNS:
                raise InvalidExperiment("", pattern, f"use at most {MAX_PATTERNS} patterns")
            text = normal_pattern(pattern)
        if "*" not in text:
            exact.add(_unescaped(text))
        elif text.startswith("/"):
            paths.append(_glob(text))
        else:
            addresses.append(_glob(text))

    def matches(page: Page) -> bool:
        host, path, _query = page
        if path in exact or any(test(path) for test in paths):
            return True
        if host is None:
            return False
        address = host + path
        return address in exact or any(test(address) for test in addresses)

    return matches


def normal_pattern(pattern: str) -> str:
    """A pattern in the form of the addresses that it is compared with; literals still encoded."""
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        raise InvalidExperiment("", pattern, f"a pattern has 1 to {MAX_PATTERN_CHARS} characters")
    if _FORBIDDEN_IN_PATTERN.search(pattern):
        raise InvalidExperiment("", pattern, "no control characters or backslashes")
    if len(_WILDCARD.findall(pattern)) > MAX_WILDCARDS:
        raise InvalidExperiment("", pattern, f"use at most {MAX_WILDCARDS} wildcards in a pattern")
    text = re.split(r"[?#]", pattern, maxsplit=1)[0]
    if text.startswith("/"):
        return _normal_pattern_path(text)
    scheme = _PATTERN_SCHEME.match(text)
    if scheme:
        text = text[scheme.end() :]
    host, slash, path = text.partition("/")
    port = _DEFAULT_PORTS[scheme[1].lower()] if scheme else None
    name = host.lower() if "*" in host else read_host(host, port)
    if not name:
        raise InvalidExperiment("", pattern, "write /path, or host/path")
    return name + _normal_pattern_path(slash + path)


def _normal_pattern_path(path: str) -> str:
    path = "/".join(_resolve_dots(path.split("/")))
    return (path[:-1] if path.endswith("/") else path) or "/"


def _unescaped(text: str) -> str:
    return "/".join(map(decode_once, text.split("/")))


def _glob(text: str) -> Callable[[str], bool]:
    """A test for one pattern. What the common shapes can say without RE2 costs a tenth of it."""
    head, wildcard, tail = _WILDCARD.split(text, maxsplit=1)
    prefix = _unescaped(head)
    if not tail and wildcard != "*":
        return lambda address: address.startswith(prefix)
    compiled = _compiled_glob(text)

    def matches(address: str) -> bool:
        if not address.startswith(prefix):
            return False
        try:
            return compiled.fullmatch(address) is not None
        except UnicodeEncodeError:
            return False

    return matches


def _compiled_glob(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    pieces = map(_glob_piece, _WILDCARD.split(text))
    return re2.compile(f"(?s:{''.join(pieces)})", options)


def _glob_piece(piece: str) -> str:
    if piece == "*":
        return "[^/]*"
    if piece.startswith("**"):
        return ".*"
    return str(re2.escape(_unescaped(piece)))


def _resolve_dots(segments: list[str]) -> list[str]:
    """Segments of a path, the first one empty, without `.` and `..`, encoded ones included."""
    resolved: list[str] = []
    for index, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        if dots == ".." and len(resolved) > 1:
            resolved.pop()
        if dots not in (".", ".."):
            resolved.append(segment)
        elif index == len(segments) - 1:
            resolved.append("")
    return resolved


def _is_port(port: str) -> bool:
    return not port or (
        port.isascii() and port.isdigit() and int(port.lstrip("0")[:6] or 0) <= 65_535
    )


def _domain(host: str) -> str | None:
    if "%" in host or "[" in host or "]" in host or _is_too_long(host):
        return None
    if host.isascii():
        return host.lower().removesuffix(".")
    try:
        return host.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return None


def _is_too_long(host: str) -> bool:
    """What no name server would take; the codec for other scripts needs quadratic time for it."""
    if len(host) <= MAX_LABEL_CHARS:
        return False
    return len(host) > MAX_HOST_CHARS or max(map(len, host.split("."))) > MAX_LABEL_CHARS


def _ipv6(text: str) -> str | None:
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        return None
