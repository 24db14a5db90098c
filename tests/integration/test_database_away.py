"""A database that disappears for ten seconds while two workers serve, in the two ways it can."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from support.postgres import Cluster, new_cluster, shared_directory, stop_cluster
from support.processes import ServerProcess, ask, fairlot, get, published, serving
from support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

AWAY_S = 10.0
HERO = """
key: hero
name: {name}
variants:
  - {{key: control, name: Control}}
  - {{key: bold, name: Bold}}
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A project in a database, and two workers over it."""

    experiments: Path
    url: str
    token: str
    key: str
    server: ServerProcess

    def publish(self, name: str) -> None:
        write(self.experiments, name)
        words = ("apply", str(self.experiments), "--yes", "--data", str(self.server.data_dir))
        fairlot(*words, FAIRLOT_DATABASE_URL=self.url)

    def assigned(self, visitor: str) -> tuple[int, str]:
        """The status, and the experiment's name."""
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=5)) as connection:
            status, answer = ask(connection, "hero", self.token, visitor)
        return status, answer["experiment_name"]

    def revoke(self) -> int:
        """The status of a write to the store."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            body = json.dumps({"jti": "prv_01JJJJJJJJJJJJJJJJJJJJJJJJ"})
            connection.request("POST", "/api/v1/orgs/default/preview/revoke", body, headers)
            return connection.getresponse().status

    def unusable(self) -> list[str]:
        """The parts that /readyz names."""
        status, body = get(self.server, "/readyz")
        parts = [] if status == 200 else json.loads(body)["unusable"]
        return [part["part"] for part in parts]


def write(experiments: Path, name: str) -> None:
    experiments.mkdir(exist_ok=True)
    (experiments / "hero.yaml").write_text(HERO.format(name=name), "utf-8")


@contextmanager
def a_shop(tmp_path: Path, url: str, poll_interval_s: float = 0.5) -> Iterator[Shop]:
    data, experiments = tmp_path / "data", tmp_path / "experiments"
    write(experiments, "First")
    token = published(data, experiments, FAIRLOT_DATABASE_URL=url)
    words = ("keys", "create", "--scope", "write", "--data", str(data))
    key = fairlot(*words, FAIRLOT_DATABASE_URL=url)["key"]
    with serving(
        data,
        workers=2,
        FAIRLOT_DATABASE_URL=url,
        FAIRLOT_POLL_INTERVAL_S=str(poll_interval_s),
    ) as server:
        shop = Shop(experiments, url, token, key, server)
        wait_for(lambda: len(shop.server.manifest_versions()) == 2)
        yield shop


@pytest.fixture
def cluster(postgres: Cluster) -> Iterator[Cluster]:
    """One that may be stopped; the shared one says whether there can be any."""
    directory = shared_directory()
    cluster = new_cluster(directory / "cluster")
    yield cluster
    stop_cluster(cluster)


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    cluster.stop()
    yield
    cluster.start()


@contextmanager
def hung(cluster: Cluster) -> Iterator[None]:
    """Connections are taken, and nothing is ever answered."""
    processes = cluster.processes()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    yield
    for process in processes:
        os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("away", [stopped, hung])
def test_serve__database_away_for_ten_seconds__decides_from_memory_and_heals(
    tmp_path: Path, cluster: Cluster, away: Callable[[Cluster], AbstractContextManager[None]]
) -> None:
    with a_shop(tmp_path, cluster.create("shop")) as shop:
        assert (shop.unusable(), shop.revoke()) == ([], 200)
        workers = shop.server.worker_pids()
        writes: list[int] = []
        writers = [threading.Thread(target=lambda: writes.append(shop.revoke())) for _ in range(9)]
        with away(cluster):
            back_at = time.monotonic() + AWAY_S
            for writer in writers:
                writer.start()
            wait_for(lambda: shop.unusable() == ["store"])
            while time.monotonic() < back_at:
                assert shop.assigned("visitor") == (200, "First")
                assert get(shop.server, "/healthz")[0] == 200
                time.sleep(0.05)
            assert shop.unusable() == ["store"]
            for writer in writers:
                writer.join()
        assert set(writes) == {503}
        wait_for(lambda: shop.unusable() == [])
        shop.publish("Second")
        wait_for(lambda: shop.server.manifest_versions() == [2, 2])
        assert shop.assigned("visitor") == (200, "Second")
        assert shop.revoke() == 200
        assert shop.server.worker_pids() == workers


def test_serve__worker_dies_while_the_database_is_away__is_replaced_when_it_is_back(
    tmp_path: Path, cluster: Cluster
) -> None:
    with a_shop(tmp_path, cluster.create("shop")) as shop:
        first, second = shop.server.worker_pids()[-2:]
        with stopped(cluster):
            os.kill(first, signal.SIGKILL)
            back_at = time.monotonic() + 5
            while time.monotonic() < back_at:
                assert shop.assigned("visitor") == (200, "First")
                time.sleep(0.05)
            assert first not in shop.server.worker_pids()
        shop.publish("Second")
        wait_for(lambda: shop.server.manifest_versions() == [2, 2])
        assert second in shop.server.worker_pids()


def test_serve__publish__reaches_workers_that_hardly_poll(
    tmp_path: Path, postgres: Cluster
) -> None:
    with (
        postgres.new_database() as url,
        a_shop(tmp_path, url, poll_interval_s=60) as shop,
    ):
        shop.publish("Second")
        wait_for(lambda: shop.server.manifest_versions() == [2, 2])
        assert shop.assigned("visitor") == (200, "Second")
