import socket
import time
from collections.abc import Callable, Iterator

import pytest

from fairlot.http.asgi import JSON, Receive, Reply, Scope, Send
from fairlot.http.body import ClientGone, read_body
from fairlot.http.problems import Refused, problem_reply
from fairlot.http.protocol import HEADER_LIMIT, MESSAGE_LIMIT, BoundedHttpProtocol
from support.live import read_all, serving, talk

QUICK_S = 0.4
IN_TIME_S = 8.0
"""Before the limit of every server, which is 10 s; the rest is for a busy machine."""
CLOSE = b"Connection: close\r\n"


class QuickProtocol(BoundedHttpProtocol):
    headers_within_s = QUICK_S
    body_within_s = QUICK_S


HEARD: list[str] = []


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how long the body is; closes after what is asked of `/last`."""
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    HEARD.append(scope["path"])
    try:
        body = await read_body(scope, receive)
        reply = Reply(200, b"%d" % len(body), (JSON,))
    except Refused as refused:
        reply = problem_reply(refused.problem)
    except ClientGone:
        return
    if scope["path"] == "/last":
        reply.start["headers"].append((b"connection", b"close"))
    await send(reply.start)
    await send(reply.body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(echo_length, BoundedHttpProtocol) as port:
        yield port


@pytest.fixture(scope="module")
def quick_port() -> Iterator[int]:
    with serving(echo_length, QuickProtocol) as port:
        yield port


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_protocol__whole_request__is_answered(port: int) -> None:
    answer = talk(port, b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 3\r\n\r\nabc")
    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\n3")


def test_protocol__request_in_single_bytes__is_answered(port: int) -> None:
    request = b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 3\r\n\r\nabc"
    answer = talk(port, *(request[at : at + 1] for at in range(len(request))))
    assert answer.endswith(b"\r\n\r\n3")


def test_protocol__chunked_body__is_answered(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = talk(port, head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n", pause_s=0.02)
    assert answer.endswith(b"\r\n\r\n5")


@pytest.mark.parametrize("number", [1, 40])
def test_protocol__headers_over_the_cap__are_answered_431_and_closed(
    port: int, number: int
) -> None:
    filler = b"".join(b"X-%d: %s\r\n" % (at, b"a" * (40_000 // number)) for at in range(number))
    answer = talk(port, b"GET / HTTP/1.1\r\n" + filler + b"\r\n")
    assert status_of(answer) == 431
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer


def test_protocol__headers_under_the_cap_with_a_long_body__are_answered(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"X: %s\r\nContent-Length: 60000\r\n\r\n"
    answer = talk(port, head % (b"a" * (HEADER_LIMIT - 200)) + b"b" * 60_000)
    assert answer.endswith(b"\r\n\r\n60000")


def test_protocol__header_of_50_megabytes__is_cut_off_early(port: int) -> None:
    piece = b"a" * 65536
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        try:
            while sent < 50_000_000:
                connection.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(connection)
    assert sent < 50_000_000
    assert answer == b"" or status_of(answer) == 431


def test_protocol__headers_that_trickle__are_answered_408_in_time(quick_port: int) -> None:
    began = time.monotonic()
    answer = talk(quick_port, b"GET / HTTP/1.1\r\nX: ", *[b"X"] * 2, pause_s=0.1)
    assert status_of(answer) == 408
    assert time.monotonic() - began < IN_TIME_S


def test_protocol__nothing_sent__is_closed_in_time(quick_port: int) -> None:
    began = time.monotonic()
    assert talk(quick_port) == b""
    assert time.monotonic() - began < IN_TIME_S


def test_protocol__half_a_body__is_answered_408_in_time(quick_port: int) -> None:
    began = time.monotonic()
    answer = talk(quick_port, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    assert status_of(answer) == 408
    assert answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - began < IN_TIME_S


def test_protocol__trickle_after_a_whole_request__is_cut_off(quick_port: int) -> None:
    with socket.create_connection(("127.0.0.1", quick_port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX: ")
        for _ in range(8):
            time.sleep(0.1)
            try:
                connection.sendall(b"X")
            except (BrokenPipeError, ConnectionResetError):
                break
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 200") == 1


def test_protocol__several_requests_on_a_connection__are_all_answered(port: int) -> None:
    one = b"POST / HTTP/1.1\r\nContent-Length: 40000\r\n\r\n" + b"a" * 40_000
    last = b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"
    answer = talk(port, one * 5 + last)
    assert answer.count(b"HTTP/1.1 200") == 6


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"GET // HTTP/9.9\r\n\r\n",
        b"CONNECT example:80 HTTP/1.1\r\n\r\n",
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n bad: header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_protocol__unreadable_request__is_answered_400_and_closed(port: int, line: bytes) -> None:
    answer = talk(port, line)
    assert status_of(answer) == 400
    assert b"application/problem+json" in answer


SMUGGLED = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
H2C = b"POST / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_protocol__upgrade_with_a_body__the_body_is_read_as_one(port: int, pause_s: float) -> None:
    answer = talk(port, H2C % len(SMUGGLED), SMUGGLED, pause_s=pause_s)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\r\n\r\n%d" % len(SMUGGLED))


def test_protocol__upgrade_that_is_noticed_late__answers_once_and_closes(port: int) -> None:
    head = H2C % len(SMUGGLED)
    cut = head.index(b"Upgrade: h2c") + 3
    answer = talk(port, head[:cut], head[cut:], SMUGGLED, pause_s=0.1)
    assert answer.count(b"HTTP/1.1") == 1


def test_protocol__upgrade_to_websocket__is_an_ordinary_request(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert status_of(talk(port, head)) == 200


def test_read_body__content_length_over_the_cap__is_refused_before_the_body(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n"
    answer = talk(port, head)
    assert status_of(answer) == 413


def test_read_body__content_length_at_the_cap__is_read(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 65536\r\n\r\n"
    assert talk(port, head + b"a" * 65536).endswith(b"\r\n\r\n65536")


def test_read_body__chunks_over_the_cap__are_refused(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    answer = talk(port, head, chunk, chunk, chunk, pause_s=0.01)
    assert status_of(answer) == 413


def with_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(body: bytes) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("framed", [with_length, in_chunks])
def test_protocol__refused_body_before_a_close__is_answered_after_its_end(
    port: int, framed: Callable[[bytes], bytes]
) -> None:
    request = b"POST / HTTP/1.1\r\n" + CLOSE + framed(b"a" * 6_000_000)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        answer = read_all(connection)
    assert status_of(answer) == 413
    assert b"connection: close" in answer


@pytest.mark.parametrize("asked", [b"", CLOSE])
def test_protocol__refused_body_without_an_end__is_cut_off(port: int, asked: bytes) -> None:
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\n" + asked + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 5 * MESSAGE_LIMIT:
                connection.sendall(chunk)
                sent += len(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert MESSAGE_LIMIT <= sent < 5 * MESSAGE_LIMIT


def test_protocol__refused_body_that_stops__is_closed_in_time(quick_port: int) -> None:
    began = time.monotonic()
    head = b"POST / HTTP/1.1\r\n" + CLOSE + b"Content-Length: 100000\r\n\r\n"
    answer = talk(quick_port, head + b"a" * 50_000, timeout_s=IN_TIME_S)
    assert status_of(answer) == 413
    assert answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - began < IN_TIME_S


@pytest.mark.parametrize(("path", "asked"), [(b"/", CLOSE), (b"/last", b"")])
def test_protocol__request_after_a_refused_body_before_a_close__is_none(
    port: int, path: bytes, asked: bytes
) -> None:
    head = b"POST " + path + b" HTTP/1.1\r\n" + asked + b"Content-Length: 100000\r\n\r\n"
    HEARD.clear()
    answer = talk(port, head + b"a" * 99_999, b"a" + SMUGGLED, pause_s=0.1)
    assert answer.count(b"HTTP/1.1") == 1
    assert "/inner" not in HEARD
