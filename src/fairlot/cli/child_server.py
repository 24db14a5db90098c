"""A server in a process of its own, started and stopped by the demo."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from fairlot.cli.errors import CommandFailed
from fairlot.cli.output import print_note

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
LOG_SHOWN = 4000


@contextmanager
def running_server(host: str, port: int, data_dir: Path) -> Iterator[Callable[[], int]]:
    """Serve `data_dir` while the block runs; yields a wait for the end of the process.

    The server's log is kept aside, and shown only when the server fails.
    """
    command = [sys.executable, "-m", "fairlot.cli", "serve", "--data", str(data_dir)]
    command += ["--host", host, "--port", str(port)]
    # A session of its own: Ctrl-C reaches the demo only, which then stops the server in order.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_ready(process, host, port)
            yield process.wait
        finally:
            _stop(process)
            if process.returncode not in (0, -signal.SIGTERM):
                log.seek(0)
                print_note(log.read()[-LOG_SHOWN:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise CommandFailed(
                f"the server ended at once with exit code {process.returncode}; its log is above"
            )
        if _is_ready(host, port):
            return
        time.sleep(POLL_S)
    raise CommandFailed(f"the server was not ready within {START_TIMEOUT_S:.0f} s")


def _is_ready(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
