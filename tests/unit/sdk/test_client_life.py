"""From the first fetch to the end of the process."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client, Reason
from fairlot.sdk import lifetime
from fairlot.sdk.client import live_clients
from fairlot.sdk.transport import HttpResponse
from fairlot.testing import FrozenClock
from support.event_server import EventServer
from support.manifest_host import MANIFEST_URL, STRANGE_KEY, ManifestHost, a_manifest
from support.sdk_clients import a_site, all_to
from support.waiting import wait_for

API_KEY = "fx_key_12345678.secretsecretsecretsecretsecretsecret"


@pytest.fixture
def host() -> ManifestHost:
    made = ManifestHost()
    made.publish(1)
    return made


def a_client(host: ManifestHost, **options: Any) -> Client:
    plain: dict[str, Any] = {"transport": host, "clock": FrozenClock()}
    return Client(MANIFEST_URL, **plain | options)


def test_init__server_there__manifest_in_use(host: ManifestHost) -> None:
    with a_client(host) as client:
        assert client.treatment("hero", "anna").manifest_version == 1
        manifest = client.manifest()
        assert manifest is not None
        assert manifest.version == 1
        assert client in live_clients()
    assert client not in live_clients()


def test_init__server_gone__false_and_told_and_decides_nothing() -> None:
    told: list[Exception] = []
    host = ManifestHost()
    host.failure = OSError("connection refused")
    client = a_client(host, on_refresh_error=told.append)
    assert not client.init()
    assert client.treatment("hero", "anna").reason is Reason.UNKNOWN
    assert [type(error).__name__ for error in told] == ["ManifestUnavailable"]
    assert client.close()


def test_refresh__newer_manifest__swapped_in_and_unchanged_is_confirmed(host: ManifestHost) -> None:
    with a_client(host) as client:
        assert client.refresh()
        host.publish(2)
        assert client.refresh()
        assert client.treatment("hero", "anna").manifest_version == 2


def test_decision__after_the_interval__refreshes_behind_its_back(host: ManifestHost) -> None:
    clock = FrozenClock()
    with a_client(host, clock=clock, refresh_interval_s=30) as client:
        host.publish(2)
        clock.advance(31)
        assert client.treatment("hero", "anna").manifest_version == 1
        wait_for(lambda: client.treatment("hero", "anna").manifest_version == 2)


def test_decision__never_initialised__fetches_behind_its_back(host: ManifestHost) -> None:
    client = a_client(host)
    assert client.treatment("hero", "anna").reason is Reason.UNKNOWN
    wait_for(lambda: client.treatment("hero", "anna").variant_key is not None)
    assert client.close()


@pytest.mark.parametrize("refused", ["lower", "unknown key", "flipped byte"])
def test_refresh__document_that_is_refused__the_good_one_stays_and_it_is_told(refused: str) -> None:
    host, told = ManifestHost(), list[Exception]()
    host.publish(5)
    with a_client(host, on_refresh_error=told.append) as client:
        if refused == "lower":
            host.publish(4)
        elif refused == "unknown key":
            host.publish(6, STRANGE_KEY)
        else:
            host.publish(6)
            document = bytearray(host.documents[MANIFEST_URL])
            document[len(document) // 2] ^= 1
            host.serve(bytes(document))
        assert not client.refresh()
        assert client.treatment("hero", "anna").manifest_version == 5
        assert len(told) == 1


def test_manifest_cache__server_gone__a_new_client_decides(
    host: ManifestHost, tmp_path: Path
) -> None:
    cache = tmp_path / "manifest.json"
    with a_client(host, manifest_cache=cache) as client:
        first = client.treatment("hero", "anna").variant_key
    host.failure = OSError("gone")
    with a_client(host, manifest_cache=str(cache)) as client:
        assert client.treatment("hero", "anna").variant_key == first
        assert client.stats().faults == {"manifest_unavailable": 1}


def test_set_manifest__then_refresh__the_fetched_one_again(host: ManifestHost) -> None:
    with a_client(host) as client:
        client.set_manifest(a_manifest(9))
        assert client.treatment("hero", "anna").manifest_version == 9
        host.failure = OSError("gone")
        assert not client.refresh()
        assert client.treatment("hero", "anna").manifest_version == 9
        host.failure = None
        assert client.refresh()
        assert client.treatment("hero", "anna").manifest_version == 1


def test_set_manifest__then_init__false_only_without_any() -> None:
    host = ManifestHost()
    host.failure = HttpResponse(500, {}, b"")
    client = a_client(host)
    assert not client.init()
    client.set_manifest(a_manifest(9))
    assert client.init()
    assert client.close()


def test_revoked__no_earlier_one__decides_nothing(host: ManifestHost) -> None:
    with a_client(host) as client:
        host.revoke(1)
        assert not client.refresh()
        assert client.manifest() is None
        assert client.treatment("hero", "anna").reason is Reason.UNKNOWN


def test_awaited__from_start_to_end__as_when_called(host: ManifestHost) -> None:
    async def live() -> list[bool]:
        async with a_client(host, api_key=API_KEY) as client:
            assert client.treatment("hero", "anna").manifest_version == 1
            return [await client.ainit(), await client.arefresh(), await client.aflush()]

    assert asyncio.run(live()) == [True, True, True]


def test_server_down_for_an_hour__decides_on_tells_once_a_minute_and_delivers_at_last() -> None:
    clock, host, server = FrozenClock(), ManifestHost(), EventServer()
    told: list[Exception] = []
    host.publish(1)
    is_down = False

    def network(request: Any) -> HttpResponse:
        if is_down:
            raise OSError("no route to host")
        return server(request) if request.method == "POST" else host(request)

    client = Client(
        MANIFEST_URL,
        transport=network,
        clock=clock,
        api_key=API_KEY,
        queue_bound=100,
        on_refresh_error=told.append,
    )
    assert client.init()
    is_down = True
    for number in range(360):
        assert client.exposure("hero", f"user-{number}").variant_key is not None
        clock.advance(10)
        client.refresh()
    assert 0 < len(told) <= 61
    assert client.stats().queued <= 2 * 100  # those that wait, and the batch under way
    is_down = False

    def is_delivered() -> bool:
        clock.advance(60)
        return client.flush(5)

    wait_for(is_delivered)
    stats = client.stats()
    assert stats.sent + stats.dropped == 360
    assert stats.sent >= 100
    assert stats.queued == 0
    assert client.close()


def test_client__dropped_without_close__is_collected() -> None:
    with a_site(all_to("bold")) as site:
        site.client.treatment("hero", "anna")
    dropped = weakref.ref(a_client(ManifestHost()))
    gc.collect()
    assert dropped() is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork__child__decides_and_fetches_on_its_own(host: ManifestHost) -> None:
    clock = FrozenClock()
    with a_client(host, clock=clock) as client:
        clock.advance(100)
        client.treatment("hero", "anna")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                host.publish(2)
                wait_for(lambda: client.refresh())
                code = 0 if client.treatment("hero", "anna").manifest_version == 2 else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork__client_that_was_closed__a_lock_of_its_parent_does_not_hold_up_the_child(
    host: ManifestHost,
) -> None:
    with a_client(host, api_key=API_KEY) as client:
        client.track("order", "anna")
    # As another thread of the parent may leave it.
    client._faults._lock = threading.Lock()  # type: ignore[assignment]
    client._faults._lock.acquire()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(10)
            client.report("storage", "a")
            client.track("order", "bert")
            code = 0 if client.stats().dropped == 1 and client not in live_clients() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


ENDINGS = {
    "end of the program": "pass",
    "sys.exit": "import sys; sys.exit(0)",
    "multiprocessing child": """
        import multiprocessing
        context = multiprocessing.get_context("fork")
        child = context.Process(target=client.track, args=("order", "bert"))
        child.start()
        child.join()
        assert child.exitcode == 0
    """,
    "forked child": """
        import os, sys
        child = os.fork()
        if child == 0:
            client.track("order", "bert")
            sys.exit(0)
        os.waitpid(child, 0)
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_process__ends_without_close__what_is_queued_is_delivered(
    ending: str, tmp_path: Path
) -> None:
    program = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, {tests!r})
        import msgspec
        from fairlot import Client
        from fairlot.sdk.transport import HttpResponse

        def post(request):
            events = msgspec.json.decode(request.body)["events"]
            with open({out!r}, "a") as file:
                for event in events:
                    file.write(event["subject_id"] + "\\n")
            return HttpResponse(200, {{}}, msgspec.json.encode({{"accepted": len(events)}}))

        client = Client("https://m.example/v1/acme/manifest.json", api_key="k.s", transport=post)
        client.track("order", "anna")
        """
    ).format(tests=str(Path(__file__).parents[2]), out=str(tmp_path / "sent"))
    program += textwrap.dedent(ENDINGS[ending])
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    children = ["bert"] if "child" in ending else []
    assert sorted((tmp_path / "sent").read_text().split()) == sorted(["anna", *children])


def test_process__ends_and_a_client_cannot_be_closed__the_others_deliver(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    class Failing:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self, within_s: float) -> bool:
            closed.append(self.name)
            raise ValueError(self.name)

    clients = (Failing("a"), Failing("b"))
    monkeypatch.setattr(lifetime, "open_ones", lambda: clients)
    lifetime._at_exit()
    assert closed == ["a", "b"]
    assert "could not be closed" in caplog.text
