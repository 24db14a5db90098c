"""The kinds of responses that every framework makes, and what has to be on each of them."""

from collections.abc import Iterable
from pathlib import Path

from fairlot import RequestContext

KINDS = ["plain", "stream", "missing", "denied", "broken", "redirect", "file", "unchanged"]
STATUS = {"missing": 404, "denied": 403, "broken": 500, "redirect": 302, "unchanged": 304}
OWN_COOKIE = "own=1; Path=/"
LINES = (
    "fx.hero=bold; Path=/; Max-Age=31536000; SameSite=None; Secure; Partitioned",
    "fx.cta=a; Path=/; Max-Age=31536000; SameSite=Lax; Secure; HttpOnly; Domain=.shop.example",
)
FILE = Path(__file__)


def leave_lines(context: RequestContext) -> None:
    """What an application's SDK would leave for the response, and what must not get there."""
    response = context.response
    assert response is not None
    response.append("Set-Cookie", LINES[0])
    response.append("Set-Cookie", "fx.evil=1\r\nX-Evil: 1")
    response.append("X-Evil\n", "1")
    response.append("X-Evil", "1\x00")
    response.append("X-Evil", "\u2028")
    response.append("Cache-Control", "no-cache")
    response.append("Set-Cookie", LINES[1])
    response.append("cache-control", "private, no-store")


def check(kind: str, status: int, headers: Iterable[tuple[str, str]], *, own: bool = True) -> None:
    """`own`: the application sets a cookie and a Cache-Control itself."""
    fields = [(name.lower(), value) for name, value in headers]
    assert status == STATUS.get(kind, 200)
    cookies = [value for name, value in fields if name == "set-cookie"]
    assert cookies == [*([OWN_COOKIE] if own else []), *LINES]
    assert [value for name, value in fields if name == "cache-control"] == ["private, no-store"]
    assert "x-evil" not in dict(fields)
