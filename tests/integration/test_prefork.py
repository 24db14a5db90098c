"""gunicorn with preforked workers that are killed: what the server has acknowledged to any of them
is in the log, once.

Every subject is asked for once, so the subjects that a worker has answered are its exposures.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from fairlot.warehouse.log import read_exposures, read_senders
from support.processes import environment, fairlot, free_port, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

EXPERIMENT = "always"
YAML = "key: always\nname: Everyone\nvariants: [{key: control, name: A}, {key: bold, name: B}]\n"
TESTS = Path(__file__).parents[1]
BEFORE_THE_FORK = "before-the-fork"
WORKERS = 2
CLIENTS = 4
KILLS = 2


@dataclass(frozen=True, slots=True)
class Answered:
    pid: int
    subject: str
    queued: int


@dataclass
class Site:
    """gunicorn over `support.prefork_site`."""

    port: int
    notes: Path
    process: subprocess.Popen[bytes]

    def ask(self, subject: str) -> Answered:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", f"/?{subject}")
            response = connection.getresponse()
            assert response.status == 200
            told = json.loads(response.read())
        assert told["variant"] in ("control", "bold")
        return Answered(told["pid"], subject, told["queued"])

    def acknowledged(self, pid: int, field_name: str = "ids") -> list[str]:
        """What the process `pid` noted of the server's answers. A line that a kill cut short is no
        note: nobody knows what would have stood there."""
        file = self.notes / f"{pid}.jsonl"
        *lines, _unfinished = file.read_text().split("\n") if file.exists() else [""]
        notes = [json.loads(line) for line in lines]
        if field_name == "sender":
            return sorted({note["sender"] for note in notes})
        return [each for note in notes for each in note[field_name]]

    def pids(self) -> list[int]:
        """Of all processes that have an answer of the server."""
        return sorted(int(file.stem) for file in self.notes.glob("*.jsonl"))


@contextmanager
def a_site(tmp_path: Path, server_url: str, key: str) -> Iterator[Site]:
    notes = tmp_path / "notes"
    notes.mkdir()
    port = free_port()
    words = ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--preload"]
    words += ["--worker-class", "gthread", "--threads", "2", "--no-control-socket"]
    variables = {
        "SITE_MANIFEST_URL": f"{server_url}/v1/default/default/manifest.json",
        "SITE_API_KEY": key,
        "SITE_NOTES": str(notes),
        "SITE_EXPERIMENT": EXPERIMENT,
        "SITE_SUBJECT_BEFORE_THE_FORK": BEFORE_THE_FORK,
        "PYTHONPATH": str(TESTS),
    }
    with (tmp_path / "gunicorn.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words, "support.prefork_site:application"],
            env=environment(**variables),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        site = Site(port, notes, process)
        wait_for(lambda: is_answering(site), 30.0)
        yield site
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)


def is_answering(site: Site) -> bool:
    assert site.process.poll() is None, "gunicorn ended at once; its log is beside the notes"
    connection = HTTPConnection("127.0.0.1", site.port, timeout=1)
    with suppress(OSError), closing(connection):
        connection.connect()
        return True
    return False


@dataclass
class Visitors:
    """Asks for one subject after another, a few hundred a second, from several threads."""

    site: Site
    answered: list[Answered] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, name: int) -> None:
        number = 0
        while not self.ended.wait(0.005):
            number += 1
            with suppress(OSError, HTTPException):  # of a worker that was killed
                self.answered.append(self.site.ask(f"subject-{name}-{number}"))

    def latest(self, pid: int) -> Answered | None:
        return next((each for each in reversed(self.answered) if each.pid == pid), None)

    def kill_one_with_undelivered_events(self, but_not: list[int]) -> Answered:
        """The last answer of the worker before it was killed."""
        give_up_at = time.monotonic() + 30
        while time.monotonic() < give_up_at:
            pids = {each.pid for each in self.answered[-50:]} - set(but_not)
            for pid in pids:
                answer = self.latest(pid)
                assert answer is not None
                # Of those that wait a second for company, and not of a batch that is under way.
                if 1 < answer.queued < 10 and self.site.acknowledged(pid):
                    os.kill(pid, signal.SIGKILL)
                    return answer
            time.sleep(0.01)
        raise AssertionError("no worker had events in its queue")


@contextmanager
def visited(site: Site) -> Iterator[Visitors]:
    visitors = Visitors(site)
    threads = [threading.Thread(target=visitors.run, args=(each,)) for each in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield visitors
    finally:
        visitors.ended.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, str]:
    """A data directory with an experiment for everybody, and a key that may ingest."""
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "always.yaml").write_text(YAML)
    data_dir = tmp_path / "data"
    published(data_dir, experiments)
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data_dir))["key"]
    return data_dir, key


def test_preforked_workers__killed_under_load__acknowledged_exposures_are_in_the_log_once(
    folder: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir, key = folder
    killed: list[Answered] = []
    with (
        serving(data_dir, workers=2) as server,
        a_site(tmp_path, server.url, key) as site,
        visited(site) as visitors,
    ):
        master = site.process.pid
        for kill in range(KILLS):
            wanted = WORKERS + kill  # processes beside the master that have delivered
            wait_for(lambda n=wanted: len(set(site.pids()) - {master}) >= n, 60.0)  # type: ignore[misc]
            gone = [each.pid for each in killed]
            killed.append(visitors.kill_one_with_undelivered_events(gone))
        wait_for(lambda: len(set(site.pids()) - {master}) >= WORKERS + KILLS, 60.0)
    assert site.process.returncode == 0
    log = list(read_exposures(data_dir / "events"))
    ids = Counter(exposure.event_id for exposure in log)
    subjects = Counter(exposure.subject_id for exposure in log)

    acknowledged = [each for pid in site.pids() for each in site.acknowledged(pid)]
    assert set(ids.values()) == {1}
    assert len(acknowledged) == len(set(acknowledged))
    assert [each for each in acknowledged if each not in ids] == []

    # Whoever was not killed has delivered all of it, the last at its end.
    dead = {each.pid for each in killed}
    answered = {each.subject: each.pid for each in visitors.answered}
    assert [s for s, pid in answered.items() if pid not in dead and subjects[s] != 1] == []

    # The kills hit workers with exposures that nobody had yet: these, and only these, are lost.
    lost = {pid: [s for s in answered if answered[s] == pid and s not in subjects] for pid in dead}
    assert any(lost.values())
    for pid, missing in lost.items():
        assert set(missing).isdisjoint(site.acknowledged(pid, "subjects"))

    # What was queued before the fork went once, by the process that had queued it.
    assert subjects[BEFORE_THE_FORK] == 1
    assert site.acknowledged(master, "subjects") == [BEFORE_THE_FORK]

    senders = {pid: site.acknowledged(pid, "sender") for pid in site.pids()}
    assert len(senders) == 1 + WORKERS + KILLS
    assert all(len(names) == 1 for names in senders.values())
    figures = {each.sender_id: each for each in read_senders(data_dir / "events")}
    assert set(figures) >= {names[0] for names in senders.values()}
    assert len({names[0] for names in senders.values()}) == len(senders)
    for pid, (name,) in senders.items():
        assert figures[name].repeated_batches >= 1, pid  # its first answer was lost
        assert (figures[name].lost_events, figures[name].dropped) == (0, 0)
    with capsys.disabled():
        for each in killed:
            print(
                f"\nworker {each.pid} killed with {each.queued} events queued at its last answer: "
                f"{len(site.acknowledged(each.pid))} acknowledged, all in the log; "
                f"{len(lost[each.pid])} answered but not yet delivered"
            )
