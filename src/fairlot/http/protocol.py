"""uvicorn's httptools protocol with the bounds it lacks: header size, header time, body time.

uvicorn 0.54 takes a header of any size, and waits for the rest of a request for ever. A message
that arrives in one piece costs no timer here; only one that is incomplete after a read gets one.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from fairlot.http.asgi import Reply
from fairlot.http.body import BODY_LIMIT
from fairlot.http.exchange import Exchange
from fairlot.http.problems import Problem, ProblemCode, problem_reply

HEADER_LIMIT = 32 * 1024
MESSAGE_WITHIN_S = 10.0
# a body over the cap of its route, 4 MiB for files, is answered at once and read past, also before
# a close; not for ever, and not its trailers
MESSAGE_LIMIT = 20 * 1024 * 1024
_LINE_OVERHEAD = 4  # ": " and CRLF
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)

_MALFORMED = problem_reply(
    Problem(400, ProblemCode.BAD_REQUEST, "this is not a valid HTTP/1.1 request")
)
_HEADERS_TOO_LARGE = problem_reply(
    Problem(
        431,
        ProblemCode.HEADERS_TOO_LARGE,
        f"request line and headers are over {HEADER_LIMIT} bytes; send smaller ones",
    )
)
_TOO_SLOW = problem_reply(
    Problem(
        408,
        ProblemCode.TIMEOUT,
        f"headers and body may take {MESSAGE_WITHIN_S:g} s each; send them faster",
    )
)


class _HeadersTooLarge(Exception):
    """Leaves httptools' callback; the parser reports it as a failed one."""


class _CycleTransport:
    """What a cycle of uvicorn's writes its answer to. An answer that comes before the end of its
    request closes the connection when that end has come: closed with bytes that nobody has read
    it would be reset, and who is still sending would see no answer."""

    def __init__(
        self,
        transport: asyncio.Transport,
        cycle: RequestResponseCycle,
        close_later: Callable[[], None],
    ) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self._close_now = transport.close
        self._cycle = cycle
        self._close_later = close_later

    def close(self) -> None:
        early = self._cycle.response_complete and self._cycle.more_body
        (self._close_later if early else self._close_now)()


class BoundedHttpProtocol(HttpToolsProtocol):
    """`_open`: a message has begun and is not complete. `_last`: it is answered, and nothing
    comes after it. `_size_bound`: the most bytes that it can have so far, without the read in which
    it began when that ended within its headers."""

    headers_within_s: ClassVar[float] = MESSAGE_WITHIN_S
    body_within_s: ClassVar[float] = MESSAGE_WITHIN_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._open = False
        self._last = False
        self._in_headers = True
        self._size_bound = 0
        self._upgraded = False
        self._pieces: list[bytes] | None = None
        self._refusal = _MALFORMED
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.headers_within_s, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._upgraded:
            return
        if self._in_headers and b"pgrade" in data:
            data = _without_upgrade(data)
        begins = not self._open
        self._open = True
        self._size_bound += len(data)
        super().data_received(data)
        if self._open:
            self._wait_for_more(begins)

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return  # no request, as it follows the last one of its connection
        if self._size_bound > HEADER_LIMIT and self._header_size() > HEADER_LIMIT:
            self._refusal = _HEADERS_TOO_LARGE
            raise _HeadersTooLarge
        if self._timer is not None:
            self._stop_timer()
        if self._is_plain():
            self._pieces = []
            self.cycle = Exchange(  # type: ignore[assignment]
                self.transport,
                self.server_state.default_headers,
                self.on_response_complete,
                self._spawn,
            )
        else:
            super().on_headers_complete()
            self.cycle.transport = _CycleTransport(  # type: ignore[assignment]
                self.transport, self.cycle, self._close_at_end
            )
        self._in_headers = False

    def on_body(self, body: bytes) -> None:
        if self._pieces is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._open = False
        self._in_headers = True
        self._size_bound = 0
        if self._timer is not None:
            self._stop_timer()
        if self._pieces is None:
            super().on_message_complete()
        else:
            body, self._pieces = b"".join(self._pieces), None
            self._exchange(body)
        if self._last:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's way out of a message that its parser refused."""
        self._close_with(self._refusal)

    def _unsupported_upgrade_warning(self) -> None:
        """The parser has seen an upgrade, and takes what follows for another protocol. Whatever it
        is, it must not be taken for a next request: answer this one, read no more, and close."""
        self._upgraded = True
        self.cycle.keep_alive = False

    def _is_plain(self) -> bool:
        """Whether a request can be an exchange: a POST that stands alone, asks for nothing special,
        and has a small body. Others take uvicorn's way."""
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        parser = self.parser
        if (
            parser.get_method() != b"POST"
            or self.expect_100_continue
            or self.flow.write_paused
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
            or not self.url.startswith(b"/")
            or b"#" in self.url
            or not self.url.isascii()
        ):
            return False
        for name, value in self.headers:
            if name == b"transfer-encoding":
                return False
            if name == b"content-length" and len(value) > 4 and int(value) > BODY_LIMIT:
                return False
        return True

    def _exchange(self, body: bytes) -> None:
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["method"] = "POST"
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        exchange: Exchange = self.cycle  # type: ignore[assignment]
        exchange.run(self.app, scope, body)

    def _close_at_end(self) -> None:
        self._last = True

    def _spawn(self, rest: Any) -> None:
        task = self.loop.create_task(rest)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _wait_for_more(self, begins: bool) -> None:
        """A read has ended within a message."""
        if self.transport.is_closing():
            return
        if self._in_headers:
            if begins:
                # a message that follows another in one read begins somewhere in it
                self._size_bound = 0
            elif self._size_bound > HEADER_LIMIT:
                self._close_with(_HEADERS_TOO_LARGE)
                return
        elif self._size_bound > MESSAGE_LIMIT:
            self._close_with(_MALFORMED)
            return
        if self._timer is None:
            within_s = self.headers_within_s if self._in_headers else self.body_within_s
            self._timer = self.loop.call_later(within_s, self._give_up)

    def _header_size(self) -> int:
        lines = sum(len(name) + len(value) + _LINE_OVERHEAD for name, value in self.headers)
        return len(self.url) + lines

    def _give_up(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._in_headers and self._is_answering():
            # a pipelined message is not read on before its predecessor is answered
            self._timer = self.loop.call_later(self.headers_within_s, self._give_up)
        elif self._open:
            self._close_with(_TOO_SLOW)
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_with(self, reply: Reply) -> None:
        """Answer outside the application, unless an answer has begun; then close."""
        self._stop_timer()
        begun = self.cycle is not None and (
            self.cycle.response_started and not self.cycle.response_complete
        )
        waits = self._in_headers and self._is_answering()
        answered = not self._in_headers and self.cycle.response_complete
        if not (begun or waits or answered):
            self.transport.write(self._raw(reply))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _raw(self, reply: Reply) -> bytes:
        headers = [*self.server_state.default_headers, *reply.start["headers"]]
        lines = [b"HTTP/1.1 %d %s\r\n" % (reply.status, _PHRASES[reply.status])]
        lines += [name + b": " + value + b"\r\n" for name, value in headers]
        return b"".join([*lines, b"connection: close\r\n\r\n", reply.body["body"]])

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _without_upgrade(data: bytes) -> bytes:
    """A server may ignore the wish to speak another protocol (RFC 9110 section 7.8). The parser
    would not: it drops the body. So the header's name is hidden from it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest


_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
}
