"""One HTTP exchange over urllib.request, bounded in time and in bytes.

urllib's own timeout is for each wait on the socket, so that a server which sends a byte now and
then holds a thread for ever. Here every wait gets only what is left until the exchange has to end.
"""

import socket
import ssl
import time
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
    getproxies_environment,
)

from fairlot.sdk.transport import HttpRequest, HttpResponse, ResponseTooLarge

_CHUNK_BYTES = 64 * 1024


class UrllibExchange:
    """Holds no connection, so it may be used by several threads and after a fork."""

    def __init__(self) -> None:
        self._opener = OpenerDirector()
        for handler in (
            ProxyHandler(getproxies_environment()),
            _PlainHandler(),
            _SecureHandler(),
            UnknownHandler(),
        ):
            self._opener.add_handler(handler)
        self._opener.addheaders = [("User-Agent", f"fairlot/{_version()}")]

    def send(self, request: HttpRequest) -> HttpResponse:
        """Raises OSError when there is no whole answer in time."""
        outgoing = _Request(
            request.url,
            data=request.body,
            headers={"Accept-Encoding": "identity", **request.headers},
            method=request.method,
        )
        outgoing.deadline_s = time.monotonic() + request.timeout_s
        try:
            with self._opener.open(outgoing, timeout=request.timeout_s) as response:
                return HttpResponse(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=_body_of(response, request.max_bytes),
                )
        except (HTTPException, ValueError) as error:
            raise OSError(f"no usable HTTP answer: {type(error).__name__}: {error}") from error


class _Request(Request):
    deadline_s: float


class _PlainSocket(socket.socket):
    deadline_s: float

    # http.client reads by recv_into and writes by sendall, which is one wait in a plain socket.
    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline_s))
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left(self.deadline_s))
        super().sendall(*arguments)


class _SecureSocket(ssl.SSLSocket):
    deadline_s: float

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline_s))
        return super().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        self.settimeout(_left(self.deadline_s))
        return super().send(*arguments)


class _PlainConnection(HTTPConnection):
    def __init__(self, host: str, *, deadline_s: float, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = partial(_connected, deadline_s)


class _SecureConnection(HTTPSConnection):
    def __init__(self, host: str, *, deadline_s: float, **options: Any) -> None:
        super().__init__(host, **options)
        self._deadline_s = deadline_s
        self._create_connection = partial(_connected, deadline_s)

    def connect(self) -> None:
        super().connect()
        cast(_SecureSocket, self.sock).deadline_s = self._deadline_s


class _PlainHandler(HTTPHandler):
    def http_open(self, req: Any) -> HTTPResponse:
        return self.do_open(partial(_PlainConnection, deadline_s=req.deadline_s), req)


class _SecureHandler(HTTPSHandler):
    def __init__(self) -> None:
        super().__init__()
        self._tls: ssl.SSLContext | None = None

    def https_open(self, req: Any) -> HTTPResponse:
        if self._tls is None:
            context = ssl.create_default_context()
            context.sslsocket_class = _SecureSocket
            self._tls = context
        connection = partial(_SecureConnection, deadline_s=req.deadline_s)
        return self.do_open(connection, req, context=self._tls)


def _connected(deadline_s: float, address: tuple[str, int], *_unused: Any) -> _PlainSocket:
    """A connection to the first address of the name that answers; each gets its share of the time
    that is left, so that one which swallows everything does not use up all of it."""
    found = socket.getaddrinfo(*address, 0, socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, where) in enumerate(found):
        try:
            return _connected_to(family, kind, protocol, where, deadline_s, len(found) - number)
        except OSError:
            if number + 1 == len(found):
                raise
    raise OSError(f"{address[0]} has no address")


def _connected_to(
    family: int, kind: int, protocol: int, where: Any, deadline_s: float, addresses_left: int
) -> _PlainSocket:
    connection = _PlainSocket(family, kind, protocol)  # fails where there is no IPv6
    connection.deadline_s = deadline_s
    try:
        connection.settimeout(_left(deadline_s) / addresses_left)
        connection.connect(where)
        connection.settimeout(_left(deadline_s))
    except OSError:
        connection.close()
        raise
    return connection


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out: the whole answer did not come in time")
    return left_s


def _body_of(response: HTTPResponse, max_bytes: int) -> bytes:
    """Raises ResponseTooLarge, but not for the body of a failure, which is cut."""
    succeeded = 200 <= response.status < 300
    if succeeded and (response.length or 0) > max_bytes:
        raise ResponseTooLarge(max_bytes)
    encoding = response.headers.get("content-encoding", "identity")
    if succeeded and encoding != "identity":
        raise OSError(f"the body is {encoding} compressed, though that was not asked for")
    body = bytearray()
    while wanted := min(_CHUNK_BYTES, max_bytes + 1 - len(body)):
        chunk = response.read(wanted)
        if not chunk:
            break
        body += chunk
    if succeeded and len(body) > max_bytes:
        raise ResponseTooLarge(max_bytes)
    if succeeded and response.length:  # what http.client says nothing about
        raise OSError(f"the body ended {response.length} bytes early")
    return bytes(body[:max_bytes])


def _version() -> str:
    try:
        return version("fairlot")
    except PackageNotFoundError:  # vendored into another program
        return "unknown"
