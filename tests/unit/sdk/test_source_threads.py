"""One refresh at a time, whoever wants it: threads, tasks, the background, a forked child."""

import asyncio
import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fairlot.engine import CompiledManifest
from fairlot.sdk.background import Background
from fairlot.sdk.source import ManifestSource
from fairlot.sdk.transport import HttpRequest
from fairlot.testing import FrozenClock
from support.manifest_host import ManifestHost
from support.waiting import wait_for

WITHIN_S = 10.0


class Gate:
    """Holds whoever comes, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, _request: HttpRequest) -> None:
        self.reached.set()
        assert self._open.wait(WITHIN_S)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def host() -> ManifestHost:
    host = ManifestHost()
    host.publish(3)
    return host


@contextmanager
def a_source(host: ManifestHost, **options: Any) -> Iterator[ManifestSource]:
    plain: dict[str, Any] = {
        "transport": host,
        "clock": FrozenClock(),
        "refresh_interval_s": 30.0,
        "timeout_s": 5.0,
        "accept": lambda _manifest: None,
        "report": lambda _error: None,
    }
    source = ManifestSource(host.endpoints, **plain | options)
    try:
        yield source
    finally:
        source.close(WITHIN_S)


def waiters_of(source: ManifestSource) -> int:
    """How many threads wait for the refresh that is under way."""
    flight = source._refresh_once._flight
    return 0 if flight is None else len(vars(flight.landed)["_cond"]._waiters)


def in_threads(number: int, work: Callable[[], Any]) -> tuple[list[threading.Thread], list[Any]]:
    outcomes: list[Any] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(work()), daemon=True) for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    return threads, outcomes


@pytest.mark.parametrize("is_up", [True, False])
def test_refresh__twenty_threads_at_once__share_one_fetch_and_its_outcome(
    host: ManifestHost, is_up: bool
) -> None:
    gate = host.before = Gate()
    host.failure = None if is_up else OSError("down")
    with a_source(host) as source:
        first, outcomes = in_threads(1, source.refresh)
        assert gate.reached.wait(WITHIN_S)
        others, more = in_threads(19, source.refresh)
        wait_for(lambda: waiters_of(source) == 19)
        gate.open()
        for thread in first + others:
            thread.join(WITHIN_S)
    assert outcomes + more == [is_up] * 20
    assert host.fetched() == 1


def test_refresh__tasks_at_once__share_one_fetch(host: ManifestHost) -> None:
    gate = host.before = Gate()

    async def together(source: ManifestSource) -> list[bool]:
        tasks = [asyncio.create_task(asyncio.to_thread(source.refresh)) for _ in range(4)]
        await asyncio.to_thread(wait_for, lambda: waiters_of(source) == 3)
        gate.open()
        return await asyncio.gather(*tasks)

    with a_source(host) as source:
        assert asyncio.run(together(source)) == [True] * 4
    assert host.fetched() == 1


def test_refresh__called_by_accept_and_report__is_false_at_once(host: ManifestHost) -> None:
    inside: list[bool] = []
    sources: list[ManifestSource] = []

    def again(_value: object) -> None:
        inside.append(sources[0].refresh())

    with a_source(host, accept=again, report=again) as source:
        sources.append(source)
        assert source.refresh()
        host.failure = OSError("down")
        assert not source.refresh()
    assert inside == [False, False]


def test_refresh_soon__due__fetches_in_the_background_without_waiting(host: ManifestHost) -> None:
    gate = host.before = Gate()
    accepted: list[CompiledManifest | None] = []
    with a_source(host, accept=accepted.append) as source:
        for _ in range(3):
            source.refresh_soon()
        assert gate.reached.wait(WITHIN_S)
        assert source.due_at_s == float("inf")
        gate.open()
        wait_for(lambda: source.due_at_s < float("inf"))
        assert len(accepted) == 1


def test_refresh_soon__no_thread_to_be_had__is_due_again_soon(
    host: ManifestHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Background, "wake", lambda _self: False)
    with a_source(host) as source:
        source.refresh_soon()
        assert source.due_at_s == 10.0


def test_fetch_keys_soon__again_and_again__fetches_once_an_interval(host: ManifestHost) -> None:
    clock = FrozenClock()
    jwks = host.endpoints.jwks
    with a_source(host, clock=clock) as source:
        source.init()
        assert host.fetched(jwks) == 1
        for _ in range(5):
            source.fetch_keys_soon()
        wait_for(lambda: host.fetched(jwks) == 2)
        clock.advance(30)
        source.fetch_keys_soon()
        wait_for(lambda: host.fetched(jwks) == 3)


def test_fetch_keys_soon__while_they_are_fetched__fetches_once_more(host: ManifestHost) -> None:
    clock = FrozenClock()
    jwks = host.endpoints.jwks
    with a_source(host, clock=clock) as source:
        source.init()

        def want_again(request: HttpRequest) -> None:
            if request.url == jwks and host.fetched(jwks) == 2:
                clock.advance(30)
                source.fetch_keys_soon()

        host.before = want_again
        source.fetch_keys_soon()
        wait_for(lambda: host.fetched(jwks) == 3)


def test_close__while_the_background_waits_for_an_answer__says_that_it_has_not_ended(
    host: ManifestHost,
) -> None:
    gate = host.before = Gate()
    with a_source(host) as source:
        source.refresh_soon()
        assert gate.reached.wait(WITHIN_S)
        assert not source.close(0.01)
        gate.open()
        assert source.close(WITHIN_S)


def in_a_child(work: Callable[[], None]) -> None:
    """Fork, run `work` there, and fail if it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: the parent has threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not return into the test runner
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_fork__in_the_middle_of_a_refresh__leaves_a_child_that_can_refresh(
    host: ManifestHost,
) -> None:
    gate = host.before = Gate()
    accepted: list[CompiledManifest | None] = []
    with a_source(host, accept=accepted.append) as source:
        source.refresh_soon()
        assert gate.reached.wait(WITHIN_S)

        def child() -> None:
            host.before = lambda _request: None
            source.start_afresh()
            assert source.due_at_s < 0
            source.refresh_soon()
            wait_for(lambda: len(accepted) == 1, WITHIN_S)
            assert source.refresh()
            assert source.close(WITHIN_S)

        in_a_child(child)
        gate.open()
        wait_for(lambda: len(accepted) == 1)


def test_fork__of_a_fresh_parent__keeps_its_manifest_and_its_time(host: ManifestHost) -> None:
    with a_source(host) as source:
        source.init()
        due_at_s = source.due_at_s

        def child() -> None:
            source.start_afresh()
            assert source.due_at_s == due_at_s
            assert source.init()

        in_a_child(child)
