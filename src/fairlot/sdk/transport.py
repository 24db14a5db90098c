"""How the SDK talks HTTP: one call, which users may replace by their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fairlot.sdk.urllib_exchange import UrllibExchange


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`timeout_s` is for the whole exchange, `max_bytes` the longest body that is wanted."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_s: float = 5.0
    max_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends one request and returns the answer, whatever its status; called from background
    threads and from `init`, `refresh`, `flush` and `close`. Raises OSError when there is none."""

    def __call__(self, request: HttpRequest, /) -> HttpResponse: ...


class ResponseTooLarge(OSError):
    """The body is longer than the request's `max_bytes`; it was not read to its end."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        super().__init__(f"the answer is longer than {max_bytes} bytes, which is the most we read")


class UrllibTransport:
    """The transport that is used when none is given: urllib, a connection for each request.

    Follows no redirect, asks for no compression, and takes proxies from the environment
    (`http_proxy`, `https_proxy`, `no_proxy`) at the first request. The time that the system's
    resolver takes for a name is the one part that `timeout_s` does not bound.
    """

    def __init__(self) -> None:
        self._exchange: UrllibExchange | None = None

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        if self._exchange is None:
            # http.client, ssl and urllib.request take 30 ms to import: paid at the first request.
            from fairlot.sdk.urllib_exchange import UrllibExchange

            self._exchange = UrllibExchange()
        return self._exchange.send(request)
