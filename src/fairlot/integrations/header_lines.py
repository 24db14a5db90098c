"""The header lines that wait for a response."""

import re
from collections.abc import Iterable
from typing import Final

from fairlot import RequestContext, ResponseHeaders

SET_COOKIE: Final = "set-cookie"
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def waiting_lines(context: RequestContext | None) -> list[tuple[str, str]]:
    """What to put on the response of `context`, each line fit to be sent: nothing that would end a
    line, nothing beyond Latin-1. Of a repeated name the last one stands, but all `Set-Cookie`s."""
    response = None if context is None else context.response
    if not isinstance(response, ResponseHeaders) or not response:
        return []
    cookies: list[tuple[str, str]] = []
    others: dict[str, tuple[str, str]] = {}
    for name, value in response:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            continue
        if name.lower() == SET_COOKIE:
            cookies.append((name, value))
        else:
            others[name.lower()] = (name, value)
    return [*others.values(), *cookies]


def with_lines(
    headers: Iterable[tuple[str, str]], lines: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The headers of a response and the lines that waited for it: a `Set-Cookie` is added, any
    other line takes the place of those of its name."""
    added = list(lines)
    replaced = {name.lower() for name, _ in added} - {SET_COOKIE}
    return [*((name, value) for name, value in headers if name.lower() not in replaced), *added]
