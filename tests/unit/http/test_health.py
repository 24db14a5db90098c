import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairlot.engine import FairlotError
from fairlot.http.addresses import Addresses
from fairlot.http.api.health import figures
from fairlot.http.counts import WorkerFiles
from fairlot.store.profiles import PROFILES_FILE
from support.serving import Desk, a_desk, a_project, a_snapshot, an_experiment
from support.waiting import wait_for

SNAPSHOT = a_snapshot(a_project(an_experiment()))


class StoreBroke(FairlotError):
    code = "store_broke"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, SNAPSHOT) as desk:
        yield desk


def test_healthz__process_lives__is_200(desk: Desk) -> None:
    answer = desk.client.get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


def test_readyz__all_usable__is_200(desk: Desk) -> None:
    assert desk.client.get("/readyz").json == {"status": "ready"}


def test_readyz__parts_unusable__is_a_503_problem_that_names_each(desk: Desk) -> None:
    desk.shelf.failure = StoreBroke("the store broke; mend it")
    desk.log.close(1)
    answer = desk.client.get("/readyz")
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert answer.json["code"] == "not_ready"
    assert [part["part"] for part in answer.json["unusable"]] == ["store", "log"]


def test_readyz__profiles_gone__names_them(desk: Desk, tmp_path: Path) -> None:
    (path,) = tmp_path.rglob(PROFILES_FILE)
    path.unlink()
    (part,) = desk.client.get("/readyz").json["unusable"]
    assert part["part"] == "profiles"
    assert "they cannot be written" in part["problem"]


def test_metrics__profiles__count_who_switched(desk: Desk) -> None:
    desk.services.profiles.figures.switched = 2
    lines = desk.client.get("/metrics").body.decode().splitlines()
    assert "fairlot_profiles_switched_total 2.0" in lines
    assert "fairlot_profiles_queued 0.0" in lines


def test_readyz__nothing_published__names_the_manifest(tmp_path: Path) -> None:
    snapshot = a_snapshot(a_project(an_experiment()))
    with a_desk(tmp_path, snapshot) as desk:
        desk.publish(replace(snapshot, generation=2, projects={}))
        answer = desk.client.get("/readyz")
        assert [part["part"] for part in answer.json["unusable"]] == ["manifest"]


def test_metrics__this_machine__adds_up_all_workers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.assign()
    desk.assign("unknown")
    samples = figures(desk.services)
    living = os.getppid()
    monkeypatch.setattr("os.getpid", lambda: living)
    WorkerFiles(desk.services.worker_files.directory).write(samples)
    answer = desk.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    assert 'fairlot_decisions_total{reason="bucket",type="ab"} 2.0' in lines
    assert "fairlot_impressions_total 2.0" in lines
    assert 'fairlot_requests_total{status="404"} 2.0' in lines
    assert 'fairlot_manifest_version{org="default",project="default"} 3.0' in lines
    assert "fairlot_workers 2.0" in lines


@pytest.mark.parametrize(
    ("address", "headers"),
    [("192.0.2.1", {}), ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}), ("::ffff:10.0.0.1", {})],
)
def test_metrics__another_machine__is_403(
    desk: Desk, address: str, headers: dict[str, str]
) -> None:
    answer = desk.client.request("GET", "/metrics", headers=headers, address=address)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


def test_metrics__opened__answers_everyone(tmp_path: Path) -> None:
    with a_desk(tmp_path, SNAPSHOT, metrics_open=True, addresses=Addresses()) as desk:
        assert desk.client.request("GET", "/metrics", address="192.0.2.1").status == 200


def test_readyz__store_hangs__is_looked_at_by_one_thread_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlot.http.api.health._STORE_WITHIN_S", 0.1)
    answers, looks = threading.Event(), []

    def look() -> int:
        looks.append(1)
        assert answers.wait(10)
        return 1

    with a_desk(tmp_path, SNAPSHOT, store_generation=look) as desk:
        for _ in range(3):
            (part,) = desk.client.get("/readyz").json["unusable"]
            assert part == {"part": "store", "problem": "did not answer within 0.1 s"}
        assert len(looks) == 1
        answers.set()
        wait_for(lambda: desk.client.get("/readyz").status == 200)
