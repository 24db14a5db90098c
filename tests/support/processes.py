"""`fairlot serve` as a user runs it: a process group on a free port, stopped by who started it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

FAIRLOT = [sys.executable, "-m", "fairlot.cli"]
START_WITHIN_S = 30.0
ASSIGNMENTS = "/api/v1/experiments/assignments/"


@dataclass(frozen=True, slots=True)
class ServerProcess:
    data_dir: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def worker_pids(self) -> list[int]:
        """The processes of the group that serve: all of it but the first, or that one alone."""
        members = [pid for pid in group_members(self.process.pid) if pid != self.process.pid]
        return members or [self.process.pid]

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def environment(**variables: str | None) -> dict[str, str]:
    """This process's, without any Fairlot setting but `variables`; None sets none."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("FAIRLOT_")}
    return plain | {name: value for name, value in variables.items() if value is not None}


def fairlot(
    *words: str, stdin: str | None = None, check: bool = True, **variables: str | None
) -> Any:
    """Run a command with --json and return what it printed; `variables` as in `environment`."""
    return _run(words, variables, stdin=stdin, check=check)


_ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from fairlot.cli import main
for words in json.loads(sys.argv[1]):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(words)
    if code not in (0, 3):
        sys.exit(printed.getvalue() or str(code))
print(printed.getvalue())
"""


def published(data_dir: Path, experiments: Path, **variables: str | None) -> str:
    """Apply a folder, to a new data directory if need be; the project's experiment token."""
    data = ("--data", str(data_dir), "--json")
    commands = [
        ("init", "--data-only", *data),
        ("apply", str(experiments), "--yes", *data),
        ("token", "show", *data),
    ]
    ran = subprocess.run(  # one process: most of what a command takes is its start
        [sys.executable, "-c", _ONE_AFTER_THE_OTHER, json.dumps(commands)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    token: str = json.loads(ran.stdout)["token"]
    return token


def _run(
    words: Sequence[str],
    variables: Mapping[str, str | None],
    *,
    stdin: str | None = None,
    check: bool = True,
) -> Any:
    ran = subprocess.run(
        [*FAIRLOT, *words, "--json"],
        input=stdin,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not check or ran.returncode in (0, 3), ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@contextmanager
def serving(
    data_dir: Path, *, workers: int = 1, port: int | None = None, **variables: str | None
) -> Iterator[ServerProcess]:
    port = port or free_port()
    words = ["serve", "--data", str(data_dir), "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        [*FAIRLOT, *words],
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = ServerProcess(data_dir, port, process)
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        server.signal_group(signal.SIGKILL)
        process.wait(15)


def wait_until_ready(server: ServerProcess) -> None:
    give_up_at = time.monotonic() + START_WITHIN_S
    while time.monotonic() < give_up_at:
        assert server.process.poll() is None, "the server ended at once"
        with suppress(OSError):
            if get(server, "/readyz")[0] == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server was not ready in time")


def get(server: ServerProcess, path: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def ask(
    connection: HTTPConnection, experiment: str, token: str, visitor: str, **fields: Any
) -> tuple[int, dict[str, Any]]:
    """One assignment over a connection that is kept."""
    body = json.dumps({"token": token, "visitor_id": visitor, **fields})
    connection.request("POST", ASSIGNMENTS + experiment, body, {"content-type": "application/json"})
    response = connection.getresponse()
    answer: dict[str, Any] = json.loads(response.read())
    return response.status, answer


def variant_of(answer: Mapping[str, Any]) -> str | None:
    variant: str | None = answer.get("variant_key")
    return variant


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def group_members(leader: int) -> list[int]:
    """The live processes of a process group, by ps, on Linux and macOS."""
    output = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split() for line in output.splitlines())
    return [int(pid) for pid, group, state in rows if int(group) == leader and state[0] != "Z"]
