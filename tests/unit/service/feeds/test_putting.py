"""Many send products while another process holds the lock of the database."""

import asyncio
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from fairlot.http.asgi import Receive, Reply, Scope, Send
from fairlot.http.exchange import Exchange
from fairlot.service.feeds import KnownFeeds, read_product
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.store import PROFILES_FILE

WAIT_S: Final = 0.5
IN_TIME_S: Final = 5 * WAIT_S
"""One turn, one wait for the lock, and the rest is for a busy machine."""
PRODUCT: Final = read_product(b'{"id": "p1"}')


@pytest.fixture
def feeds(tmp_path: Path) -> Iterator[KnownFeeds]:
    store = open_profile_store(tmp_path, lock_wait_s=WAIT_S)
    yield KnownFeeds(store, lambda _project: (), lambda: 1, turn_within_s=WAIT_S)
    store.close()


def test_put__while_the_database_is_locked__is_told_in_time_and_leaves_threads_to_others(
    feeds: KnownFeeds, tmp_path: Path
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(2))
        with closing(sqlite3.connect(tmp_path / PROFILES_FILE, isolation_level=None)) as locking:
            locking.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            puts = [asyncio.ensure_future(feeds.put("prj_1", [PRODUCT])) for _ in range(30)]
            await asyncio.sleep(0)
            await asyncio.to_thread(time.sleep, 0)
            assert time.monotonic() - began < IN_TIME_S
            for each in await asyncio.gather(*puts, return_exceptions=True):
                assert isinstance(each, ProfilesUnavailable)
            assert time.monotonic() - began < IN_TIME_S
        assert (await feeds.put("prj_1", [PRODUCT])).added == 1

    asyncio.run(scenario())


def test_put__in_an_exchange_that_is_no_task__is_stored(feeds: KnownFeeds) -> None:
    async def put(_scope: Scope, _receive: Receive, send: Send) -> None:
        reply = Reply(200, str(await feeds.put("prj_1", [PRODUCT])).encode())
        await send(reply.start)
        await send(reply.body)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        client, server = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=server)
        answered = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []
        exchange = Exchange(
            transport, [], answered.set, lambda rest: tasks.append(loop.create_task(rest))
        )
        loop.call_soon(exchange.run, put, {"type": "http"}, b"")
        async with asyncio.timeout(10):
            await answered.wait()
        transport.close()
        with client:
            assert client.recv(4096).endswith(b"Kept(added=1, changed=0)")

    asyncio.run(scenario())


@pytest.mark.parametrize("gone", [0, 1])
def test_put__of_a_caller_who_is_gone__leaves_the_turn_to_the_next(
    tmp_path: Path, gone: int
) -> None:
    store = open_profile_store(tmp_path)
    feeds = KnownFeeds(store, lambda _project: (), lambda: 1)

    async def scenario() -> None:
        puts = [asyncio.ensure_future(feeds.put("prj_1", [PRODUCT])) for _ in range(3)]
        await asyncio.sleep(0)
        puts[gone].cancel()
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert isinstance(outcomes[gone], asyncio.CancelledError)
        assert sum(isinstance(each, BaseException) for each in outcomes) == 1

    asyncio.run(scenario())
    store.close()
