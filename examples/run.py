"""Runs an example: a Fairlot server with the experiments of its folder, and then the example.

    .venv/bin/python examples/run.py fastapi

The server has a free port and a data directory that is removed at the end. The example finds the
server in EXPERIMENTS_URL, a key for its events in EXPERIMENTS_KEY, and in PORT where to listen
(8000 unless you set it). Ctrl-C ends both.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent
READY_WITHIN_S = 30.0
COMMANDS = {
    "django": ["manage.py", "runserver", "--noreload", "{port}"],
    "fastapi": ["-m", "uvicorn", "app:app", "--port", "{port}"],
    "flask": ["-m", "flask", "run", "--port", "{port}"],
    "lambda": ["invoke.py"],
    "wsgi": ["app.py"],
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"Name one of the examples: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    name, port = arguments[0], int(os.environ.get("PORT", "8000"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="fairlot-example-") as data:
            key = published(EXAMPLES / name / "experiments", data)
            with serving(data) as url:
                tell(name, port, data)
                return run(name, EXPERIMENTS_URL=url, EXPERIMENTS_KEY=key, PORT=str(port))
    except KeyboardInterrupt:
        return 0


def published(experiments: Path, data: str) -> str:
    """Puts the experiments into a new data directory; an API key that may send events."""
    fairlot("init", "--data-only", "--data", data)
    fairlot("apply", str(experiments), "--yes", "--data", data)
    key: str = fairlot("keys", "create", "--scope", "ingest", "--data", data)["key"]
    return key


def fairlot(*words: str) -> Any:
    command = [sys.executable, "-m", "fairlot.cli", *words, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603 - as above


@contextmanager
def serving(data: str) -> Iterator[str]:
    """`fairlot serve`; yields the address of the manifest."""
    port = free_port()
    command = ["-m", "fairlot.cli", "serve", "--data", data, "--port", str(port)]
    with (Path(data) / "server.log").open("w") as log, started(command, log=log) as server:
        wait_until_ready(server, port, Path(log.name))
        yield f"http://127.0.0.1:{port}/v1/default/manifest.json"


@contextmanager
def started(
    command: list[str], *, folder: Path = EXAMPLES, log: Any = None, **variables: str
) -> Iterator[Any]:
    process = subprocess.Popen(  # noqa: S603 - the interpreter that runs this
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | variables,
        stdout=log,
        stderr=log,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def run(name: str, **variables: str) -> int:
    command = [word.format(port=variables["PORT"]) for word in COMMANDS[name]]
    with started(command, folder=EXAMPLES / name, **variables) as example:
        code: int = example.wait()
        return code


def wait_until_ready(server: Any, port: int, log: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_at and server.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    sys.exit(f"The Fairlot server did not start:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tell(name: str, port: int, data: str) -> None:
    if name != "lambda":
        print(f"Open http://127.0.0.1:{port} - Ctrl-C ends it.")
        print(f"Who saw what: {sys.executable} -m fairlot.cli events --data {data}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
