"""The pages of the SDK: every Python block in them is run, in the how-tos as the file it names."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlot.engine import Experiment, Variant
from fairlot.sdk.transport import HttpRequest, HttpResponse
from support.canned_server import CannedServer, saying
from support.event_server import EventServer
from support.manifest_host import ManifestHost

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
ORIGIN = "https://experiments.example"
VARIANTS = (Variant("control", "var_control", is_control=True), Variant("bold", "var_bold"))
CHECKOUT = Experiment("checkout-button", "checkout-button", VARIANTS, "exp_checkout")


def files_of(page: str) -> dict[str, str]:
    """The Python blocks of a page by the name in their first line."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / page).read_text(), re.DOTALL)
    named = {}
    for block in blocks:
        name = re.match(r"# (\w+\.py)\n", block)
        assert name is not None, f"{page}: a block does not begin with `# name.py`:\n{block}"
        named[name[1]] = block
    assert len(named) == len(blocks) > 0
    return named


def run(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@contextmanager
def platform(host: ManifestHost, events: EventServer) -> Iterator[CannedServer]:
    """The two over a socket, in place of `ORIGIN`."""

    def answer(request: bytes) -> HttpResponse:
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, *_ = head.decode().split(" ")
        take = events if method == "POST" else host
        return take(HttpRequest(method, ORIGIN + path, body=body))

    def speak(connection: socket.socket, _over: threading.Event) -> None:
        answered = answer(server.heard[-1])
        head = f"HTTP/1.1 {answered.status} OK\r\ncontent-length: {len(answered.body)}\r\n\r\n"
        connection.sendall(head.encode() + answered.body)

    with saying(speak) as server:
        yield server


def test_testing_page__every_block__passes_as_a_suite(tmp_path: Path) -> None:
    files = files_of("testing.md")
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    said = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    tests = sum(code.count("def test_") for code in files.values())
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None and int(passed[1]) >= tests > 5


def test_sdk_page__its_block__decides_and_delivers_at_the_end(tmp_path: Path) -> None:
    host = ManifestHost(f"{ORIGIN}/v1/acme/manifest.json")
    host.publish(1, org="acme", project="default", experiments=(CHECKOUT,))
    events = EventServer()
    page = (DOCS / "reference" / "sdk.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with platform(host, events) as server:
        (tmp_path / "app.py").write_text(f"{code.replace(ORIGIN, server.url)}print(result.reason)")
        assert run(tmp_path, "app.py").strip() == "bucket"
    assert len(events.order) == 1


def test_openfeature_page__first_block__decides_and_delivers(tmp_path: Path) -> None:
    host = ManifestHost(f"{ORIGIN}/v1/acme/manifest.json")
    host.publish(1, org="acme", project="default", experiments=(CHECKOUT,))
    events = EventServer()
    with platform(host, events) as server:
        code = files_of("openfeature.md")["app.py"].replace(ORIGIN, server.url)
        (tmp_path / "app.py").write_text(code)
        assert run(tmp_path, "app.py").strip() in ("control", "bold")
    (batch,) = events.batches.values()
    assert sorted(type(event).__name__ for event in batch.events) == [
        "SentConversion",
        "SentExposure",
    ]


def test_openfeature_page__block_of_a_request__writes_the_cookie(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text(files_of("openfeature.md")["web.py"])
    variant, _, headers = run(tmp_path, "web.py").partition(" ")
    assert f"fx.checkout-button={variant};" in headers
