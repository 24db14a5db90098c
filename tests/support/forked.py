"""Commands without the second that Python and its imports take to start.

One process for each worker of the run loads them and then does nothing but fork: a fork is a
process like any other, with an environment, files and an exit code of its own.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

TESTS = Path(__file__).parents[1]
# What the commands of the tests' set-up and a server import; no module that starts a thread.
_LOADED = (
    "alembic.command",
    "alembic.config",
    "encodings.ascii",
    "fairlot.app",
    "fairlot.cli.applying",
    "fairlot.cli.edge",
    "fairlot.cli.feeds",
    "fairlot.cli.in_process",
    "fairlot.cli.keys",
    "fairlot.cli.products",
    "fairlot.cli.projects",
    "fairlot.cli.server",
    "fairlot.cli.starter",
    "fairlot.cli.token",
    "fairlot.store.postgres",
    "importlib.readers",
    "joserfc.jwk",
    "joserfc.jws",
    "uvicorn.lifespan.on",
    "uvloop",
    "yaml",
)


class Forked:
    """A running command, as subprocess.Popen has it."""

    def __init__(self, pid: int, ending: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ending = ending

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0)
        return code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended_within(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ending], [], [], timeout)[0]:
            with self._ending:
                self.returncode = int(self._ending.recv(16))
        return self.returncode


def fork(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: IO[Any],
    stdout: IO[Any],
    stderr: IO[Any],
    leads: bool = False,
) -> Forked:
    """Start `fairlot` with these words; with `leads` in a process group of its own."""
    ours, theirs = socket.socketpair()
    streams = [each.fileno() for each in (stdin, stdout, stderr)]
    with theirs:
        socket.send_fds(_parent(), [b"f"], [theirs.fileno(), *streams])
    asked = {
        "words": words,
        "environment": dict(environment),
        "directory": str(Path.cwd()),
        "leads": leads,
    }
    ours.sendall(json.dumps(asked).encode() + b"\n")
    return Forked(int(_line(ours)), ours)


@cache
def _parent() -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.forked", str(theirs.fileno())],
            cwd=TESTS,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def stop() -> None:
        ours.close()
        process.wait(15)

    atexit.register(stop)
    return ours


def _line(connection: socket.socket) -> bytes:
    """Byte by byte: what comes after it is of somebody else."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        assert byte, "the process that forks has ended"
        line += byte
    return line


def _wait_for_words(control: socket.socket) -> list[str]:
    """Returns in forks only; ends with the worker of the tests."""
    endings: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_endings(endings)
        if control not in ready:
            continue
        message, files, _, _ = socket.recv_fds(control, 1, 4)
        if not message:
            sys.exit(0)
        worker, *streams = files
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (control, woken, wakes, *endings.values()):
                each.close()
            return _begin(worker, streams)
        endings[pid] = socket.socket(fileno=worker)
        for stream in streams:
            os.close(stream)


def _tell_endings(endings: dict[int, socket.socket]) -> None:
    while endings:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with endings.pop(pid) as worker, suppress(OSError):  # which may not want to know
            worker.send(str(os.waitstatus_to_exitcode(status)).encode())


def _begin(worker: int, streams: list[int]) -> list[str]:
    """Become the process that was asked for."""
    with socket.socket(fileno=worker) as connection:
        asked = json.loads(_line(connection))
        if asked["leads"]:
            os.setsid()
        connection.sendall(f"{os.getpid()}\n".encode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["directory"])
    words: list[str] = asked["words"]
    sys.argv = ["fairlot", *words]
    # What the workers of a server, which are no forks, would begin by importing.
    sys.modules["__main__"].__spec__ = find_spec("fairlot.cli.__main__")
    return words


def _end(code: int) -> None:
    """As Python ends, but for giving its memory back piece by piece: a fork would copy it first."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in _LOADED:
        import_module(name)
    gc.freeze()
    given = _wait_for_words(socket.socket(fileno=int(sys.argv[1])))
    _end(import_module("fairlot.cli").main(given))
