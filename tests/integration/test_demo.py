"""The demo as a user starts it: a process that starts a server and asks it over HTTP."""

import json
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fairlot.cli.past import VISITORS
from support.processes import FAIRLOT, environment, fairlot, free_port

pytestmark = pytest.mark.slow

TIMEOUT_S = 300


def run_demo(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """On a port of its own: demos that run side by side would race for the default one."""
    port = [] if "--port" in words else ["--port", str(free_port())]
    return subprocess.run(
        [*FAIRLOT, "demo", *words, *port],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_demo__once_and_again_on_its_data__reports_what_is_new_and_keeps_what_was(
    tmp_path: Path,
) -> None:
    words = ("--once", "--subjects", "300", "--data", "kept")
    ran = run_demo(tmp_path, *words, "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["passed"] is True
    by_key = {experiment["key"]: experiment for experiment in document["experiments"]}
    assert len(by_key) == 4
    assert by_key["free-delivery"]["recorded"] == by_key["free-delivery"]["acknowledged"] == 300
    assert by_key["search-ranking"]["recorded"] == 0
    assert [share["expected"] for share in by_key["free-delivery"]["shares"]] == [1, 0.5, 0.3, 0.2]
    events = fairlot("events", "--data", str(tmp_path / "kept"))["events"]
    recorded = sum(experiment["recorded"] for experiment in by_key.values())
    now = [each for each in events if each["subject_id"].startswith("visitor-")]
    assert len(now) == recorded
    assert len(events) > recorded + VISITORS
    verdicts = {each["experiment"]: each["verdict"] for each in document["verdicts"]}
    assert verdicts == {
        "checkout-button": "winner",
        "free-delivery": "no_difference_yet",
        "loyalty-price": "blocked",
    }
    again = run_demo(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    assert "300 visitors asked http://127.0.0.1:" in again.stdout
    rows = [line.split() for line in again.stdout.splitlines()]
    for key, counted in by_key.items():
        assert [key, str(counted["recorded"]), str(counted["acknowledged"])] in rows
    assert "OUTSIDE" not in again.stdout
    assert "answered" in again.stdout
    assert "curl" not in again.stdout


def test_demo__port_in_use__is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run_demo(tmp_path, "--once", "--port", port)
    assert ran.returncode == 1
    assert f"port {port}: the port is in use" in ran.stderr


@pytest.fixture
def serving_demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*FAIRLOT, "demo", "--subjects", "20", "--port", str(free_port())],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_demo__curl_lines__work_until_it_is_ended_and_nothing_is_left(
    serving_demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert serving_demo.stdout is not None
    lines = []
    for line in serving_demo.stdout:
        lines += [line] if line.startswith("curl ") else []
        if len(lines) == 3:
            break
    answers = [ask(shlex.split(line)) for line in lines]
    assert answers[0]["success"] is True
    assert answers[1]["in_experiment"] is True
    assert set(answers[2]) >= {"payload", "signature"}
    serving_demo.send_signal(signal.SIGTERM)  # which ends it as Ctrl-C does
    _, errors = serving_demo.communicate(timeout=60)
    assert serving_demo.returncode == 0, errors
    with pytest.raises(ConnectionRefusedError):
        ask(shlex.split(lines[2]))
    assert list(tmp_path.iterdir()) == []


def ask(words: list[str]) -> dict[str, Any]:
    """What a printed curl line does: `curl -s URL [-H HEADER] [-d BODY]`."""
    url = urlsplit(words[2])
    with closing(HTTPConnection(url.hostname or "", url.port, timeout=10)) as connection:
        if "-d" in words:
            name, _, value = words[words.index("-H") + 1].partition(": ")
            connection.request("POST", url.path, words[words.index("-d") + 1], {name: value})
        else:
            connection.request("GET", url.path)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
