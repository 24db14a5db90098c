"""Exchanges over a real socket: answers in order, also of an application that waits."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from fairlot.http.asgi import JSON, Receive, Reply, Scope, Send, rendered_head
from fairlot.http.body import read_body
from fairlot.http.protocol import BoundedHttpProtocol
from support.live import serving, talk

SLOW = b"slow"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body, after a wait when it is `slow`; the path `/gone` waits for the client."""
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    body = await read_body(scope, receive)
    if body == SLOW:
        await asyncio.sleep(0.1)
    if scope["path"] == "/gone":
        GONE.append((await receive())["type"])
        return
    try:
        if body == b"fails":
            await asyncio.wait_for(asyncio.sleep(5), 0.01)
    except TimeoutError:
        body = b"caught"
    reply = Reply(200, body, (JSON,))
    await send(reply.start)
    await send(reply.body)


GONE: list[str] = []


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(echo, BoundedHttpProtocol) as port:
        yield port


def post(body: bytes, path: bytes = b"/", extra: bytes = b"") -> bytes:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n"
    return head % (path, len(body), extra) + body


def bodies(answer: bytes) -> list[bytes]:
    return [part.split(b"\r\n\r\n", 1)[1] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]


@pytest.mark.parametrize(
    "sent",
    [
        [b"a", b"b", b"c"],
        [SLOW, b"b", b"c"],
        [b"a", SLOW, b"c"],
        [SLOW, SLOW, b"c"],
    ],
    ids=lambda sent: b"-".join(sent).decode(),
)
def test_exchange__pipelined_requests__answered_in_order(port: int, sent: list[bytes]) -> None:
    last = post(sent[-1], extra=b"Connection: close\r\n")
    answer = talk(port, b"".join(map(post, sent[:-1])) + last)
    assert bodies(answer) == sent


def test_exchange__exception_while_waiting__reaches_the_application(port: int) -> None:
    answer = talk(port, post(b"fails") + post(b"x", extra=b"Connection: close\r\n"))
    assert bodies(answer) == [b"caught", b"x"]


def test_exchange__client_that_leaves__is_told_to_the_application(port: int) -> None:
    GONE.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(post(b"x", b"/gone"))
    for _ in range(100):
        if GONE:
            break
        assert bodies(talk(port, post(b"y", extra=b"Connection: close\r\n"))) == [b"y"]
    assert GONE == ["http.disconnect"]


def test_rendered_head__line_break_in_a_value__refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        rendered_head([(b"x", b"a\r\nset-cookie: b")])
