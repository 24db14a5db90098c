"""Events of senders against real servers: killed under load, two workers, bodies of any size."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from fairlot.events import Event, new_event_id
from fairlot.warehouse.log import (
    SenderFigures,
    read_conversions,
    read_exposures,
    read_identities,
    read_senders,
)
from support.batches import a_batch, conversion_row, exposure_row, identity_row
from support.kills import kill_under_load, log_files
from support.processes import ServerProcess, fairlot, serving

pytestmark = pytest.mark.slow

PATH = "/api/v1/orgs/default/projects/default/events"
WORKERS = 2
SENDERS = 6
ROWS = 40
KILLS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data directory and a key that may ingest; nothing is published."""
    data_dir = tmp_path_factory.mktemp("data")
    fairlot("init", "--data-only", "--data", str(data_dir))
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data_dir))["key"]
    return data_dir, key


def post(connection: HTTPConnection, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
    connection.request("POST", PATH, body, {"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@contextmanager
def connected(server: ServerProcess) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        yield connection


@dataclass
class Sender:
    """Sends batch after batch until the server is gone; `acknowledged` are the ids of those that
    were answered 200, `unanswered` is the batch of which nobody knows."""

    name: str
    acknowledged: list[str] = field(default_factory=list)
    sent: int = 0
    seq: int = 0
    unanswered: bytes = b""

    def run(self, server: ServerProcess, key: str) -> None:
        with connected(server) as connection, suppress(OSError, HTTPException):
            while True:
                ids = [new_event_id(time.time_ns() // 1_000_000) for _ in range(ROWS)]
                self.unanswered = self.next_batch(ids)
                assert post(connection, key, self.unanswered)[0] == 200
                self.acknowledged += ids

    def next_batch(self, ids: list[str]) -> bytes:
        makers = exposure_row, conversion_row, identity_row
        rows = [makers[at % 3](event_id) for at, event_id in enumerate(ids)]
        self.seq += 1
        batch = a_batch(
            *rows, sender_id=self.name, batch_seq=self.seq, events_before=self.sent, source="test"
        )
        self.sent += len(rows)
        return json.dumps(batch).encode()


def senders_named(name: str) -> list[Sender]:
    return [Sender(f"{name}-{number}") for number in range(SENDERS)]


def recorded(data_dir: Path) -> list[Event]:
    events = data_dir / "events"
    return [*read_exposures(events), *read_conversions(events), *read_identities(events)]


def figures_of(data_dir: Path) -> dict[str, SenderFigures]:
    return {each.sender_id: each for each in read_senders(data_dir / "events")}


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux locks")
def test_events__killed_under_load__what_was_acknowledged_is_there_in_whole_batches(
    folder: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, key = folder
    hits = acknowledged = 0
    for kill in range(KILLS):
        with serving(data_dir, workers=WORKERS) as server:
            senders = senders_named(f"kill{kill}")
            hits += kill_under_load(server, key, senders)
        with serving(data_dir, workers=WORKERS) as server:
            found = recorded(data_dir)
            there = {each.event_id for each in found}
            for sender in senders:
                assert [each for each in sender.acknowledged if each not in there] == []
            names = {sender.name for sender in senders}
            sizes = Counter(
                (each.sender_id, each.batch_seq) for each in found if each.sender_id in names
            )
            assert set(sizes.values()) == {ROWS}, "a part of a batch was recorded"
            with connected(server) as connection:  # as senders do that were not answered
                for sender in senders:
                    assert post(connection, key, sender.unanswered)[0] == 200
        figures = figures_of(data_dir)
        for sender in senders:
            assert figures[sender.name].events == sender.sent
            assert figures[sender.name].missing_batches == figures[sender.name].lost_events == 0
        acknowledged += sum(len(sender.acknowledged) for sender in senders)
        ids = Counter(each.event_id for each in recorded(data_dir))
        assert max(ids.values()) == 1
    with capsys.disabled():
        print(f"\n{KILLS} kills, {hits} hit an open transaction, {acknowledged} acknowledged")
    assert hits >= 1


def test_events__repeated_batch_at_another_worker__counts_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fairlot("init", "--data-only", "--data", str(data_dir))
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data_dir))["key"]
    rows = [conversion_row("mine"), exposure_row(), identity_row()]
    body = json.dumps(a_batch(*rows, batch_seq=2, events_before=7)).encode()
    times = 0
    with serving(data_dir, workers=2) as server:
        while sum(b"sender-1" in _content(path) for path in log_files(data_dir)) < 2:
            assert times < 500, "one worker got every connection"
            with connected(server) as connection:
                assert post(connection, key, body) == (200, {"accepted": 3, "rejected": []})
            times += 1
    assert len(recorded(data_dir)) == 3
    shown = fairlot("events", "--senders", "--data", str(data_dir))["senders"]
    last_seen = shown[0].pop("last_seen")
    assert last_seen.endswith("Z")
    assert shown[0].pop("project_id").startswith("prj_")
    assert shown == [
        {
            "sender_id": "sender-1",
            "source": None,
            "batches": 1,
            "events": 3,
            "rejected": 0,
            "repeated_batches": times - 1,
            "missing_batches": 1,
            "lost_events": 7,
            "dropped": 0,
        }
    ]


def _content(path: Path) -> bytes:
    write_ahead = path.with_name(f"{path.name}-wal")
    return path.read_bytes() + (write_ahead.read_bytes() if write_ahead.exists() else b"")


def test_events__bodies_up_to_a_mebibyte__are_taken(folder: tuple[Path, str]) -> None:
    data_dir, key = folder
    large = [conversion_row(f"large-{at}", properties={"filling": "x" * 800}) for at in range(1000)]
    body = json.dumps(a_batch(*large, sender_id="large")).encode()
    with serving(data_dir) as server, connected(server) as connection:
        assert post(connection, key, body.ljust(1 << 20)) == (
            200,
            {"accepted": 1000, "rejected": []},
        )
        assert post(connection, key, body.ljust((1 << 20) + 1))[0] == 413
        status, answer = post(connection, key, body.replace(b'"large-7"', b"NaN", 1))
        assert status == 207
        assert [each["index"] for each in answer["rejected"]] == [7]
        assert post(connection, key, b"[" * 500_000)[0] == 400
        assert post(connection, key, b"{}")[0] == 400
        assert post(connection, "fx_key_nobody00.secret", b"{}")[0] == 401
        empty = json.dumps(a_batch(sender_id="large", batch_seq=2)).encode()
        assert post(connection, key, empty)[0] == 200
    assert figures_of(data_dir)["large"].batches == 2
