"""The server as a process: publishing under load, a second one, a killed worker, its OpenAPI."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from support.commands import SHOP
from support.processes import (
    FAIRLOT,
    ServerProcess,
    ask,
    environment,
    fairlot,
    free_port,
    get,
    published,
    serving,
    variant_of,
)
from support.waiting import wait_for

pytestmark = pytest.mark.slow

YAML = """
key: banner
name: Banner
variants:
  - {{key: {first}, name: First, weight: 10000}}
  - {{key: other, name: Other, weight: 0}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[ServerProcess, str]]:
    token = published(tmp_path / "data", SHOP)
    with serving(tmp_path / "data", workers=2) as server:
        yield server, token


def fresh_answers(server: ServerProcess, token: str, experiment: str, count: int) -> list[int]:
    """Statuses over a new connection each, so that all workers answer some."""
    statuses = []
    for number in range(count):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            statuses.append(ask(connection, experiment, token, f"v{number}")[0])
    return statuses


class Load(threading.Thread):
    """Asks one experiment over and over; keeps the statuses that were not 200."""

    def __init__(self, server: ServerProcess, token: str) -> None:
        super().__init__()
        self.server, self.token = server, token
        self.stop = threading.Event()
        self.answered = 0
        self.failed: list[int] = []

    def run(self) -> None:
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            while not self.stop.is_set():
                status, _ = ask(connection, "free-delivery", self.token, f"load-{self.answered}")
                self.answered += 1
                if status != 200:
                    self.failed.append(status)


def test_publish__under_load__every_worker_follows_and_no_request_fails(
    shop: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    server, token = shop
    loads = [Load(server, token) for _ in range(4)]
    for load in loads:
        load.start()
    try:
        assert set(fresh_answers(server, token, "banner", 20)) == {404}
        experiments = tmp_path / "more"
        experiments.mkdir()
        (experiments / "banner.yaml").write_text(YAML.format(first="new"))
        published(server.data_dir, experiments)
        wait_for(lambda: set(fresh_answers(server, token, "banner", 20)) == {200})
    finally:
        for load in loads:
            load.stop.set()
            load.join(20)
    assert all(load.answered for load in loads)
    assert [load.failed for load in loads] == [[]] * len(loads)


def test_serve__second_server_on_the_directory__exits_naming_the_first(
    shop: tuple[ServerProcess, str],
) -> None:
    server, _ = shop
    assert str(server.process.pid) in told_at_failed_start(server.data_dir)
    assert fairlot("token", "show", "--data", str(server.data_dir))["token"].startswith("exp_")
    assert get(server, "/readyz")[0] == 200


def test_serve__worker_killed__another_takes_its_place(shop: tuple[ServerProcess, str]) -> None:
    server, token = shop
    workers = server.worker_pids()
    os.kill(max(workers), signal.SIGKILL)
    assert_replaced(server, token, workers)


def test_serve__worker_dies_before_it_answers_its_supervisor__another_takes_its_place(
    shop: tuple[ServerProcess, str],
) -> None:
    server, token = shop
    workers = server.worker_pids()
    os.kill(max(workers), signal.SIGSTOP)
    time.sleep(2)  # the supervisor asks every half second, and waits for the answer
    os.kill(max(workers), signal.SIGKILL)
    assert_replaced(server, token, workers)


def assert_replaced(server: ServerProcess, token: str, workers: list[int]) -> None:
    """A worker more than those of `workers` that still live, and every request is answered."""
    victim = max(workers)
    wait_for(lambda: victim not in server.worker_pids())
    wait_for(lambda: len(server.worker_pids()) >= len(workers))
    wait_for(lambda: answers(server, token))
    assert set(fresh_answers(server, token, "free-delivery", 20)) == {200}


@pytest.mark.parametrize("workers", [1, 2])
def test_serve__worker_cannot_start__exits_with_an_error(tmp_path: Path, workers: int) -> None:
    (tmp_path / "events").write_text("where the directory of the events would be")
    told = told_at_failed_start(tmp_path, "--workers", str(workers))
    assert f"{tmp_path / 'events'}: cannot be written" in told
    assert told.endswith("the server could not start; its log above says why\n")


def told_at_failed_start(data_dir: Path, *options: str) -> str:
    words = ["serve", "--data", str(data_dir), "--port", str(free_port()), *options]
    failed = subprocess.run(
        [*FAIRLOT, *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert failed.returncode == 1
    return failed.stderr


def answers(server: ServerProcess, token: str) -> bool:
    try:
        return set(fresh_answers(server, token, "free-delivery", 5)) == {200}
    except OSError:
        return False


def test_serve__empty_directory__prints_credentials_once(tmp_path: Path) -> None:
    first = started_output(tmp_path)
    second = started_output(tmp_path)
    assert "exp_" in first
    assert "fx_key_" in first
    assert "exp_" not in second
    assert "fx_key_" not in second


def started_output(data_dir: Path) -> str:
    """What `serve` prints until it says that it serves."""
    words = ["serve", "--data", str(data_dir), "--port", str(free_port())]
    process = subprocess.Popen(
        [*FAIRLOT, *words],
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    printed = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            printed += line
            if line.startswith("Serving"):
                break
    finally:
        process.terminate()
        process.communicate(timeout=60)
    return printed


def test_assignment__token_of_another_directory__refused(
    shop: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    server, token = shop
    stranger = published(tmp_path / "other", SHOP)
    assert stranger != token
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        status, answer = ask(connection, "free-delivery", stranger, "v")
        assert (status, answer["success"], variant_of(answer)) == (401, False, None)
