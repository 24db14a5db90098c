"""One request as the SDK sees it, and what it wants to put on the response."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from fairlot.engine import Device

SET_COOKIE = "Set-Cookie"


class HeaderSource(Protocol):
    """The headers of a request. Frameworks' own are case-insensitive; a plain dict may be given
    with any spelling of its names."""

    def get(self, name: str, /) -> str | None: ...


class HeaderSink(Protocol):
    """Where headers of the response go; a name may be appended several times. Where it has a
    `__setitem__` too, as frameworks' own have, that one replaces a header."""

    def append(self, name: str, value: str, /) -> Any: ...


class ResponseHeaders:
    """Header lines that wait for their response, in order.

    `Set-Cookie` lines are added to those of the response, every other name replaces its own.
    """

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def append(self, name: str, value: str) -> None:
        self._lines.append((name, value))

    def __setitem__(self, name: str, value: str) -> None:
        folded = name.lower()
        self._lines = [line for line in self._lines if line[0].lower() != folded]
        self._lines.append((name, value))

    def set_cookie(self, name: str, line: str) -> None:
        """Append a `Set-Cookie` line in place of one for the same cookie."""
        begin = f"{name}="
        self._lines = [
            each for each in self._lines if each[0] != SET_COOKIE or not each[1].startswith(begin)
        ]
        self._lines.append((SET_COOKIE, line))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class RequestContext:
    """What is known of one request; make one a request, and use it for that request only.

    `headers` is read for cookies and sticky headers, `response` receives new ones: the framework's
    response headers, or a `ResponseHeaders` to copy from. `url` is the whole URL as the visitor
    sees it. `user` and `account` are the attributes that audiences look at; they may be set later,
    before the first decision. Whatever is None is unknown.
    """

    __slots__ = (
        "account",
        "account_id",
        "device",
        "headers",
        "memo",
        "response",
        "session_id",
        "url",
        "user",
    )

    def __init__(
        self,
        headers: HeaderSource | Mapping[str, str] | None = None,
        url: str | None = None,
        response: HeaderSink | None = None,
        user: Mapping[str, Any] | None = None,
        account_id: str | None = None,
        *,
        account: Mapping[str, Any] | None = None,
        device: Device | None = None,
        session_id: str | None = None,
    ) -> None:
        self.headers = headers
        self.url = url
        self.response = response
        self.user = user
        self.account_id = account_id
        self.account = account
        self.device = device
        self.session_id = session_id
        # What parts of the SDK note about this request, each under itself.
        self.memo: dict[object, Any] = {}

    def header(self, name: str) -> str | None:
        """The request's header `name` (lower case), or None."""
        headers = self.headers
        if headers is None:
            return None
        found = headers.get(name)
        if found is None and type(headers) is dict:
            found = next((headers[key] for key in headers if key.lower() == name), None)
        return found


def put_cookie(context: RequestContext, name: str, line: str) -> None:
    """Put one `Set-Cookie` line on the response, if there is one."""
    response = context.response
    if isinstance(response, ResponseHeaders):
        response.set_cookie(name, line)
    elif response is not None:
        response.append(SET_COOKIE, line)


def put_header(context: RequestContext, name: str, value: str) -> None:
    """Set a header of the response, if there is one, in place of what it has."""
    response = context.response
    if response is None:
        return
    replace: Any = getattr(response, "__setitem__", None)
    if replace is not None:
        replace(name, value)
    else:
        response.append(name, value)
