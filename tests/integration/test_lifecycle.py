"""The lifecycle with real servers and processes."""

import json
import subprocess
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from support.processes import FAIRLOT, ServerProcess, ask, environment, fairlot, published, serving

WORKERS = 2
CONNECTIONS = 30
"""So many that both workers have some: the kernel deals them."""
HERO = """\
key: hero
name: Hero
status: {status}
variants:
  - {{key: control, name: Control}}
  - {{key: bold, name: Bold}}
"""
KILL = "/api/v1/orgs/default/projects/default/experiments/hero/actions/kill"
pytestmark = pytest.mark.slow


@pytest.fixture
def variables(database_url: str | None) -> dict[str, Any]:
    return {} if database_url is None else {"FAIRLOT_DATABASE_URL": database_url}


def folder(tmp_path: Path, status: str) -> Path:
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "hero.yaml").write_text(HERO.format(status=status), "utf-8")
    return experiments


def statuses(server: ServerProcess, token: str) -> set[int]:
    """Of one question over each of many new connections."""
    found = set()
    for _ in range(CONNECTIONS):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            found.add(ask(connection, "hero", token, "visitor")[0])
    return found


def kill(server: ServerProcess, key: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("POST", KILL, json.dumps({"reason": "checkout is broken"}), headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["version"]) == (200, 2)


def test_kill__of_what_is_served__reaches_every_worker(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    """Within 2 seconds where nothing else runs (benchmarks/publish.py); a busy machine has 30."""
    data = tmp_path / "data"
    token = published(data, folder(tmp_path, "running"), **variables)
    key = fairlot("keys", "create", "--scope", "write", "--data", str(data), **variables)["key"]
    with serving(data, workers=WORKERS, **variables) as server:
        assert statuses(server, token) == {200}
        kill(server, key)
        killed_at = time.monotonic()
        while statuses(server, token) != {404}:
            assert time.monotonic() - killed_at < 30, "a worker still serves it"


def test_start__by_two_processes_at_once__succeeds_once(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    data = tmp_path / "data"
    published(data, folder(tmp_path, "draft"), **variables)
    command = [*FAIRLOT, "experiments", "start", "hero", "--data", str(data)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env=environment(**variables), **pipes) for _ in range(2)]
    ends = [(each.communicate(timeout=180), each.returncode) for each in both]
    assert sorted(code for _, code in ends) == [0, 1]
    told = "".join(out + err for (out, err), _ in ends)
    assert "hero runs. Published version 1." in told
    assert "hero: start is refused: it runs already" in told
    listed = fairlot("experiments", "revisions", "hero", "--data", str(data), **variables)
    assert [each["action"] for each in listed["revisions"]] == ["start", "create"]


def test_commands__on_a_server_and_on_a_data_directory__say_the_same(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    """The server has the database, the data directory a file of its own."""
    experiments = str(folder(tmp_path, "draft"))
    here, there = tmp_path / "here", tmp_path / "there"
    fairlot("init", "--data-only", "--data", str(here))
    fairlot("init", "--data-only", "--data", str(there), **variables)
    scopes = ("--scope", "read", "--scope", "write")
    key = fairlot("keys", "create", *scopes, "--data", str(there), **variables)["key"]
    commands = (
        ("plan", experiments),
        ("apply", experiments, "--yes", "--reason", "launch"),
        ("experiments", "list"),
        ("experiments", "start", "hero"),
        ("kill", "hero", "--reason", "broken"),
        ("experiments", "start", "hero"),
        ("experiments", "revisions", "hero"),
        ("experiments", "diff", "hero", "2"),
        ("apply", experiments, "--yes"),
        ("export", str(tmp_path / "out")),
        ("layers", "list"),
    )
    with serving(there, **variables) as server:
        remote: Any = {"FAIRLOT_URL": server.url, "FAIRLOT_API_KEY": key}
        for words in commands:
            mine = fairlot(*words, "--data", str(here), check=False)
            theirs = fairlot(*words, check=False, **remote)
            assert _without_names(mine) == _without_names(theirs), words


def _without_names(document: Any) -> Any:
    """Without what differs between two projects: moments, ids, and who did it."""
    own = {"id", "at", "author", "base", "nowMs", "createdAt", "updatedAt", "startedAt", "sinceMs"}
    if isinstance(document, dict):
        return {name: _without_names(each) for name, each in document.items() if name not in own}
    if isinstance(document, list):
        return [_without_names(each) for each in document]
    return document
