"""The SDK's delivery to a real server that is killed, stopped and started while events are put."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fairlot.events import new_event_id
from fairlot.sdk.backoff import Backoff
from fairlot.sdk.clock import SystemClock
from fairlot.sdk.delivery import Delivery
from fairlot.sdk.transport import UrllibTransport
from fairlot.warehouse.log import read_conversions, read_exposures, read_senders
from support.event_server import a_conversion, an_exposure
from support.processes import fairlot, free_port, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

PATH = "/api/v1/orgs/default/projects/default/events"


@dataclass
class Folder:
    data_dir: Path
    key: str
    port: int = field(default_factory=free_port)

    @contextmanager
    def delivering(self, key: str | None = None, **options: Any) -> Iterator[Delivery]:
        plain: dict[str, Any] = {
            "queue_bound": 200_000,
            "timeout_s": 5.0,
            "report": lambda *_: None,
        }
        delivery = Delivery(
            f"http://127.0.0.1:{self.port}{PATH}",
            key or self.key,
            transport=UrllibTransport(),
            clock=SystemClock(),
            **(plain | options),
        )
        delivery._backoff = Backoff(cap_s=1.0, base_s=1.0)  # the server is never away for long
        try:
            yield delivery
        finally:
            delivery.close(5.0)

    @property
    def recorded(self) -> Counter[str]:
        directory = self.data_dir / "events"
        found = Counter(event.event_id for event in read_exposures(directory))
        return found + Counter(event.event_id for event in read_conversions(directory))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    data_dir = tmp_path / "data"
    fairlot("init", "--data-only", "--data", str(data_dir))
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data_dir))["key"]
    return Folder(data_dir, key)


def an_id() -> str:
    return new_event_id(time.time_ns() // 1_000_000)


@dataclass
class Putter:
    """Puts some 1,000 events a second until it is told to end."""

    delivery: Delivery
    name: str
    put: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ended.wait(0.01):
            for _ in range(5):
                subject = f"{self.name}-{len(self.put)}"
                exposure = an_exposure(subject, event_id=an_id())
                conversion = a_conversion(subject, event_id=an_id())
                self.delivery.put(exposure)
                self.delivery.put(conversion)
                self.put += (exposure.event_id, conversion.event_id)


@contextmanager
def putting(delivery: Delivery) -> Iterator[list[str]]:
    """Yields the ids that were put, which are complete afterwards."""
    putters = [Putter(delivery, name) for name in ("a", "b")]
    threads = [threading.Thread(target=putter.run) for putter in putters]
    put: list[str] = []
    for thread in threads:
        thread.start()
    try:
        yield put
    finally:
        for putter, thread in zip(putters, threads, strict=True):
            putter.ended.set()
            thread.join()
            put += putter.put


def test_delivery__server_killed_stopped_and_started__every_event_once_in_the_log(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    with folder.delivering() as delivery:
        with putting(delivery) as put:
            for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                wanted = delivery.stats.sent + 3_000
                with serving(folder.data_dir, port=folder.port, workers=2) as server:
                    wait_for(lambda count=wanted: delivery.stats.sent > count, 60.0)  # type: ignore[misc]
                    server.signal_group(end)
                    wait_for(lambda: server.process.poll() is not None, 30.0)
                held = delivery.stats.queued
                wait_for(lambda count=held: delivery.stats.queued > count + 1_000, 60.0)  # type: ignore[misc]
        with serving(folder.data_dir, port=folder.port, workers=2):
            assert delivery.flush(60.0)
        stats = delivery.stats
    assert (stats.queued, stats.sent, stats.dropped, stats.rejected) == (0, len(put), 0, 0)
    assert folder.recorded == Counter(put)
    (sender,) = read_senders(folder.data_dir / "events")
    assert (sender.events, sender.lost_events, sender.dropped) == (len(put), 0, 0)
    assert (sender.missing_batches, sender.source) == (0, "sdk-python")
    with capsys.disabled():
        print(
            f"\n{len(put)} events, {sender.batches} batches, {sender.repeated_batches} came again"
        )


def test_delivery__queue_overflows_while_the_server_is_away__the_server_counts_what_was_lost(
    folder: Folder,
) -> None:
    with folder.delivering(queue_bound=100) as delivery:
        ids = [an_id() for _ in range(1_000)]
        for event_id in ids:
            delivery.put(a_conversion(event_id=event_id))
        dropped = delivery.stats.dropped
        assert dropped >= 1_000 - 100 - 1_000
        with serving(folder.data_dir, port=folder.port):
            assert delivery.close(30.0)
            stats = delivery.stats
            assert stats.sent + stats.dropped == 1_000
    recorded = folder.recorded
    assert sum(recorded.values()) == stats.sent
    assert set(recorded) <= set(ids)
    assert ids[-1] in recorded  # the oldest went
    (sender,) = read_senders(folder.data_dir / "events")
    assert (sender.dropped, sender.lost_events) == (stats.dropped, 0)


def test_delivery__rows_the_server_refuses__counted_and_the_others_recorded(folder: Folder) -> None:
    reports: list[str] = []
    with (
        serving(folder.data_dir, port=folder.port),
        folder.delivering(report=lambda _, error: reports.append(str(error))) as delivery,
    ):
        good, bad = an_id(), an_id()
        delivery.put(a_conversion(event_id=good))
        delivery.put(a_conversion(event_id=bad, event_name="n" * 201))
        assert not delivery.flush(30.0)
        assert (delivery.stats.sent, delivery.stats.rejected) == (1, 1)
    assert folder.recorded == Counter([good])
    (report,) = reports
    assert "1 event rejected: event_name: " in report
    assert "1 to 200 characters" in report


def test_delivery__key_of_another_scope__reported_and_kept(folder: Folder) -> None:
    made = fairlot("keys", "create", "--scope", "decide", "--data", str(folder.data_dir))
    reports: list[tuple[str, str]] = []
    with (
        serving(folder.data_dir, port=folder.port),
        folder.delivering(
            made["key"], report=lambda kind, error: reports.append((kind, str(error)))
        ) as delivery,
    ):
        delivery.put(a_conversion(event_id=an_id()))
        assert not delivery.flush(20.0)
        assert delivery.stats.queued == 1
        ((kind, text),) = reports
        assert kind == "events_refused"
        assert "403" in text
        assert "give the API key the scope `ingest`" in text
