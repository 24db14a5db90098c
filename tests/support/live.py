"""A real uvicorn in a thread on a free port of 127.0.0.1, and raw talk to it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(application: Any, protocol: type[asyncio.Protocol]) -> Iterator[int]:
    """Yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        interface="asgi3",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        _wait_for(lambda: server.started or not thread.is_alive())
        assert server.started
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def talk(port: int, *pieces: bytes, pause_s: float = 0.0, timeout_s: float = 30.0) -> bytes:
    """Send the pieces, then read until the server closes or says nothing for `timeout_s`."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent; what it said may still be readable
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def _wait_for(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    give_up_at = time.monotonic() + within_s
    while not holds() and time.monotonic() < give_up_at:
        time.sleep(0.01)
