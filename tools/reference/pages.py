"""URL patterns and query parameters."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from reference.patterns import regex_finds

DEFAULT_PORT = {"http": "80", "https": "443"}


def split_url(url: str) -> tuple[str | None, str, str | None] | None:
    """(host or None when relative, path, query or None), or None when unparsable."""
    if len(url) > 8192 or any(ord(char) <= 0x20 for char in url) or "\\" in url:
        return None
    found = re.fullmatch(r"(?:(?i:(https?):)?//([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?", url)
    if found is None:
        return None
    scheme, authority, path, query = found.groups()
    if authority is None:
        return (None, path, query) if path.startswith("/") else None
    host = host_of(authority, scheme.lower() if scheme else None)
    return None if host is None else (host, path, query)


def host_of(authority: str, scheme: str | None) -> str | None:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]+))?", authority.rpartition("@")[2])
    if found is None or (found[2] and int(found[2]) > 65535):
        return None
    name = ascii_host(found[1])
    if name is None:
        return None
    port = found[2]
    return name if port is None or port == DEFAULT_PORT.get(scheme or "") else f"{name}:{port}"


def ascii_host(name: str) -> str | None:
    try:
        if name.startswith("["):
            ipaddress.IPv6Address(name[1:-1])
            return name.lower()
        if len(name) > 253 or any(len(label) > 63 for label in name.split(".")):
            return None
        return name.removesuffix(".").encode("idna").decode("ascii").lower() or None
    except ValueError:
        return None


def normal_path(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for index, raw in enumerate(segments):
        dots = re.sub("%2e", ".", raw, flags=re.IGNORECASE)
        if dots == "..":
            del kept[-1:]
        if dots not in (".", ".."):
            parts = re.split("%2f", raw, flags=re.IGNORECASE)
            kept.append("%2F".join(unquote(part, errors="replace") for part in parts))
        elif index == len(segments) - 1:
            kept.append("")
    text = "/" + "/".join(kept)
    return text[:-1] if text.endswith("/") and text != "/" else text


def normal_pattern(pattern: str) -> str:
    text = re.sub("^https?://", "", pattern, flags=re.IGNORECASE)
    host, slash, path = text.partition("/")
    if host and "*" not in host:
        host = ascii_host(host) or host if ":" not in host else host.lower()
    return host.lower() + normal_path(slash + path)


def wildcard_matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern.startswith("**"):
        return any(wildcard_matches(pattern[2:], text[at:]) for at in range(len(text) + 1))
    if pattern.startswith("*"):
        run = len(text.split("/", 1)[0])
        return any(wildcard_matches(pattern[1:], text[at:]) for at in range(run + 1))
    return text[:1] == pattern[0] and wildcard_matches(pattern[1:], text[1:])


def url_matches(patterns: Sequence[str], url: str) -> bool:
    parts = split_url(url)
    if parts is None:
        return False
    host, path = parts[0], normal_path(parts[1] or "/")
    for pattern in map(normal_pattern, patterns):
        if pattern.startswith("/"):
            if wildcard_matches(pattern, path):
                return True
        elif host is not None and wildcard_matches(pattern, host + path):
            return True
    return False


def query_values(search: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for part in search.removeprefix("?").split("#", 1)[0].split("&"):
        if part:
            key, _, value = part.replace("+", " ").partition("=")
            values.setdefault(unquote(key, errors="replace"), []).append(
                unquote(value, errors="replace")
            )
    return values


def ascii_lower(text: str) -> str:
    return re.sub("[A-Z]", lambda found: found[0].lower(), text)


def query_holds(
    conditions: Sequence[Mapping[str, Any]], url: str | None, search: str | None
) -> bool:
    if search is None:
        if url is None:
            return True
        parts = split_url(url)
        if parts is None:
            return not conditions
        search = parts[2] or ""
    if len(search) > 8192:
        return not conditions
    values = query_values(search)
    return all(query_clause_holds(clause, values.get(clause["key"], [])) for clause in conditions)


def query_clause_holds(clause: Mapping[str, Any], found: Sequence[str]) -> bool:
    wanted = clause.get("value", "")
    lowered = [ascii_lower(value) for value in found]
    match clause["operator"]:
        case "exists":
            return bool(found)
        case "not_exists":
            return not found
        case "equals":
            return ascii_lower(wanted) in lowered
        case "not_equals":
            return ascii_lower(wanted) not in lowered
        case "contains":
            return any(ascii_lower(wanted) in value for value in lowered)
        case "regex":
            return any(regex_finds(wanted, value) for value in found)
    raise ValueError(f"unknown query operator {clause['operator']}")
