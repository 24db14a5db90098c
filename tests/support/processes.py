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
from secrets import choice
from tempfile import TemporaryFile
from typing import Any, Final

from support.forked import Forked, fork

FAIRLOT = [sys.executable, "-m", "fairlot.cli"]
START_WITHIN_S = 60.0
ASSIGNMENTS = "/api/v1/experiments/assignments/"
# Systems give no port below 32768 to whoever asks for any; these are of one worker of a run only.
_PORTS: Final = set(
    range(20_000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), 32_000, 8)
)


@dataclass(frozen=True, slots=True)
class ServerProcess:
    data_dir: Path
    port: int
    process: Forked

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def worker_pids(self) -> list[int]:
        """The processes of the group that serve: those that its first has spawned, or that one."""
        return group_members(self.process.pid, "spawn_main") or [self.process.pid]

    def manifest_versions(self) -> list[float]:
        """Of what each worker serves, by what it wrote of itself."""
        directory = self.data_dir / "run" / "metrics"
        files = [directory / f"{pid}.json" for pid in self.worker_pids()]
        rows = [row for file in files if file.exists() for row in json.loads(file.read_bytes())]
        return [value for name, _, value in rows if name == "fairlot_manifest_version"]

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


def published(data_dir: Path, experiments: Path, **variables: str | None) -> str:
    """Apply a folder, to a new data directory if need be; the project's experiment token."""
    data = ("--data", str(data_dir))
    _run(("init", "--data-only", *data), variables)
    _run(("apply", str(experiments), "--yes", *data), variables)
    token: str = _run(("token", "show", *data), variables)["token"]
    return token


def _run(
    words: Sequence[str],
    variables: Mapping[str, str | None],
    *,
    stdin: str | None = None,
    check: bool = True,
) -> Any:
    with TemporaryFile("w+") as given, TemporaryFile("w+") as printed, TemporaryFile("w+") as told:
        given.write(stdin or "")
        given.seek(0)
        ran = fork(
            [*words, "--json"],
            environment(**variables),
            stdin=given,
            stdout=printed,
            stderr=told,
        )
        try:
            code = ran.wait(120)
        finally:
            ran.kill()
        printed.seek(0)
        told.seek(0)
        document = printed.read()
        assert not check or code in (0, 3), document + told.read()
    return json.loads(document)


@contextmanager
def serving(
    data_dir: Path, *, workers: int = 1, port: int | None = None, **variables: str | None
) -> Iterator[ServerProcess]:
    port = port or free_port()
    words = ["serve", "--data", str(data_dir), "--port", str(port), "--workers", str(workers)]
    with Path(os.devnull).open("r+b") as nothing:
        streams = {"stdin": nothing, "stdout": nothing, "stderr": nothing}
        process = fork(words, environment(**variables), **streams, leads=True)
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
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
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
    """Nobody else gets it before it is listened on, and nobody gets it again."""
    while True:
        port = choice(tuple(_PORTS))
        _PORTS.remove(port)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def group_members(leader: int, command: str) -> list[int]:
    """The live processes of a group in whose command line this is, by ps, on Linux and macOS."""
    output = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,pgid=,stat=,args="],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    ).stdout
    rows = (line.split(maxsplit=3) for line in output.splitlines())
    return [
        int(pid)
        for pid, group, state, *rest in rows
        if int(group) == leader and state[0] != "Z" and command in " ".join(rest)
    ]
