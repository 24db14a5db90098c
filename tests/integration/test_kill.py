"""SIGKILL in the middle of load: what was acknowledged is there afterwards.

A subject id is used once, so the ids that a client noted are the ids of its impressions. The test
insists that some kills hit an open transaction.
"""

import os
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from fairlot.warehouse.log import read_exposures
from support.kills import kill_under_load
from support.processes import ServerProcess, ask, published, serving

pytestmark = pytest.mark.slow

EXPERIMENT = "always"
YAML = """
key: always
name: Everyone is in
variants:
  - {key: control, name: Control}
  - {key: treatment, name: Treatment}
"""
WORKERS = 2
CLIENTS = 6
KILLS = 4


@dataclass
class Client:
    """Asks until the server is gone; `acknowledged` in the order in which it was answered."""

    name: str
    is_refused_at_times: bool = False
    """503 is an answer too: the queue of the log is full."""
    acknowledged: list[str] = field(default_factory=list)

    def run(self, server: ServerProcess, token: str) -> None:
        number = 0
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        with closing(connection), suppress(OSError, HTTPException):
            while True:
                number += 1
                visitor = f"{self.name}-{number}"
                status, answer = ask(connection, EXPERIMENT, token, visitor)
                if status == 503 and self.is_refused_at_times:
                    continue
                assert (status, answer["in_experiment"]) == (200, True)
                self.acknowledged.append(visitor)


def clients_named(name: str, *, is_refused_at_times: bool = False) -> list[Client]:
    return [Client(f"{name}-{number}", is_refused_at_times) for number in range(CLIENTS)]


def recorded(data_dir: Path) -> list[str]:
    return [exposure.subject_id for exposure in read_exposures(data_dir / "events")]


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, str]:
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "always.yaml").write_text(YAML)
    return tmp_path / "data", published(tmp_path / "data", experiments)


@pytest.mark.skipif(os.name != "posix" or not Path("/proc").exists(), reason="needs Linux locks")
def test_durable_impressions__killed_under_load__every_acknowledged_one_recorded(
    folder: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, token = folder
    hits = acknowledged = 0
    for kill in range(KILLS):
        with serving(data_dir, workers=WORKERS, FAIRLOT_DURABLE_IMPRESSIONS="true") as server:
            clients = clients_named(f"kill{kill}")
            hits += kill_under_load(server, token, clients)
        with serving(data_dir, workers=WORKERS):  # the restart finishes what was left
            there = set(recorded(data_dir))
        missing = [each for client in clients for each in client.acknowledged if each not in there]
        assert missing == []
        acknowledged += sum(len(client.acknowledged) for client in clients)
    with capsys.disabled():
        print(f"\n{KILLS} kills, {hits} hit an open transaction, {acknowledged} acknowledged")
    assert hits >= 1


def test_plain_impressions__killed_under_load__only_a_bounded_tail_missing(
    folder: tuple[Path, str],
) -> None:
    data_dir, token = folder
    with serving(data_dir, workers=1, FAIRLOT_LOG_QUEUE_BOUND="500") as server:
        clients = clients_named("plain", is_refused_at_times=True)
        kill_under_load(server, token, clients)
    with serving(data_dir):
        there = set(recorded(data_dir))
    lost = 0
    for client in clients:
        found = [each in there for each in client.acknowledged]
        kept = found.index(False) if False in found else len(found)
        assert not any(found[kept:]), "something before the tail is missing"
        lost += len(found) - kept
    assert there
    assert lost <= 500
