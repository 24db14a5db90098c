"""The README's way from an empty directory to a killed experiment, word for word.

Only the port is another one: 8080 may be taken.
"""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from support.processes import environment, free_port

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = re.compile(r"^## From an empty directory\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)
INSTALL, START, ASK, PLAN, SHOWN, CHANGE = range(6)


def blocks() -> list[tuple[str, str]]:
    found = SECTION.search(README)
    assert found is not None
    return BLOCK.findall(found[1])


def variables(port: int) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return environment(PATH=path, FAIRLOT_PORT=str(port), FAIRLOT_ACTOR="ada")


@contextmanager
def typed(command: str, directory: Path, port: int, answer: str) -> Iterator[list[str]]:
    """Run at a terminal, answer the one question, and yield what is shown, as it grows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=directory,
        env=variables(port),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown: list[str] = []

    def follow() -> None:
        with suppress(OSError):  # the terminal is gone when its last process is
            while piece := os.read(ours, 4096):
                shown.append(piece.decode("utf-8", "replace"))
                if "[y/N]" in shown[-1]:
                    os.write(ours, answer.encode())

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        yield shown
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)
            reader.join(15)
            os.close(ours)


def wait_until_ready(port: int, shown: list[str]) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("".join(shown))


def run(command: str, directory: Path, port: int) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace("8080", str(port))],
        cwd=directory,
        env=variables(port),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_readme_tutorial__its_blocks__are_those_run_here() -> None:
    kinds = [kind for kind, _ in blocks()]
    assert kinds == ["sh", "sh", "sh", "sh", "text", "sh"]
    texts = [text for _, text in blocks()]
    assert texts[INSTALL].startswith("pip install '.[server]'")
    assert texts[START] == (
        "fairlot init shop && fairlot plan shop && fairlot apply shop && fairlot serve\n"
    )


def test_readme_tutorial__word_for_word__does_what_it_says(tmp_path: Path) -> None:
    texts = [text for _, text in blocks()]
    port = free_port()
    with typed(texts[START], tmp_path, port, "y\n") as shown:
        wait_until_ready(port, shown)
        assert "Published version 1" in "".join(shown)
        answers = run(texts[ASK], tmp_path, port)
        assert answers.count('"success":true') == 100
        assert 0 < answers.count('"in_experiment":true') < 100
        assert run(texts[PLAN], tmp_path, port) == texts[SHOWN]
        told = run(texts[CHANGE], tmp_path, port)
        assert "Published version 2." in told
        assert "welcome is killed. Published version 3." in told
        assert "the greeting is broken on old phones" in told
        assert "local:ada" in told
        assert "Intact: " in told
        give_up_at = time.monotonic() + 30  # two seconds, says the README; machines are noisy
        while '"success":true' in (last := run(texts[ASK], tmp_path, port)):
            assert time.monotonic() < give_up_at, last
