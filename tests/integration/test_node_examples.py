"""examples/worker and examples/nextjs: started by the command of their README, against a real
server, and against one that fails them."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.processes import environment, fairlot
from support.waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None,
        reason="needs Node 18.19 or newer: `apt-get install nodejs`, or https://nodejs.org",
    ),
]

ROOT = Path(__file__).parents[2]
EXPERIMENTS = {"worker": "checkout-redesign", "nextjs": "welcome-headline"}
VISITORS = [f"visitor-{number}" for number in range(12)]
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    headers: list[tuple[str, str]]
    text: str

    @property
    def variant(self) -> str:
        (found,) = re.findall(r'data-variant="([^"]*)"', self.text)
        return str(found)

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name]


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    port: int
    printed: str

    def page(self, visitor: str | None = None, path: str = "/") -> Page:
        headers = {} if visitor is None else {"Cookie": f"a=b; fx_sid={visitor}"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Page(response.status, response.getheaders(), response.read().decode())

    @property
    def data_dir(self) -> str:
        return self._printed(r"data in (.*)\)")

    @property
    def server_pid(self) -> int:
        return int(self._printed(r"process (\d+)"))

    def _printed(self, pattern: str) -> str:
        (found,) = re.findall(pattern, self.printed)
        return str(found)


def command_of(name: str) -> list[str]:
    readme = (ROOT / "examples" / name / "README.md").read_text("utf-8")
    (command,) = re.findall(r"```sh\n(node .*)\n```", readme)
    return shlex.split(command)


@contextmanager
def running(name: str, **variables: str) -> Iterator[Example]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    process = subprocess.Popen(
        command_of(name),
        cwd=ROOT,
        env=environment(**{"PATH": path, "PORT": "0", "PATIENCE_MS": "20000", **variables}),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        while not (found := re.search(r"Page +http://127\.0\.0\.1:(\d+)/\n", printed)):
            line = process.stdout.readline()
            assert line, f"{name} ended at once: {printed}"
            printed += line
        yield Example(name, int(found[1]), printed)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        finally:
            with closing(process.stdout or sys.stdout):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(15)


@pytest.fixture(scope="module", params=list(EXPERIMENTS))
def example(request: pytest.FixtureRequest) -> Iterator[Example]:
    with running(request.param) as started:
        yield started


def test_node_example__pages_of_visitors__variant_and_impression_of_fairlot(
    example: Example,
) -> None:
    key, data = EXPERIMENTS[example.name], ("--data", example.data_dir)
    served = {visitor: example.page(visitor).variant for visitor in VISITORS}
    assert set(served.values()) == {"control", "treatment"}
    one_of_each = {variant: visitor for visitor, variant in served.items()}
    for visitor in one_of_each.values():
        assert fairlot("decide", key, visitor, *data)["variant"] == served[visitor]

    def recorded() -> dict[str, str]:
        events = fairlot("events", "--experiment", key, *data)["events"]
        return {event["subject_id"]: event["variant_key"] for event in events}

    wait_for(lambda: served.items() <= recorded().items())


def test_node_example__new_visitor__gets_an_id_that_is_kept(example: Example) -> None:
    first = example.page()
    (cookie,) = first.all("set-cookie")
    pattern = f"fx_sid=({UUID}); Path=/; Max-Age=31536000; SameSite=Lax"
    found = re.fullmatch(pattern, cookie)
    assert found is not None and found[1] in first.text
    again = example.page(found[1])
    assert (again.variant, again.all("set-cookie")) == (first.variant, [])


def test_node_example__unusable_visitor_id__replaced(example: Example) -> None:
    (cookie,) = example.page('"<b>"').all("set-cookie")
    assert re.match(f"fx_sid={UUID};", cookie)


def test_node_example__page__private_and_escaped(example: Example) -> None:
    pages = [example.page(visitor) for visitor in VISITORS]
    assert {page.status for page in pages} == {200}
    assert {tuple(page.all("cache-control")) for page in pages} == {("private, no-store",)}
    text = next(page.text for page in pages if page.variant == "treatment")
    assert " &amp; " in text.partition("<h1>")[2]
    assert "<i>" not in example.page("<i>").text


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_node_example__server_stopped__control(name: str) -> None:
    with running(name) as example:
        treated = next(each for each in VISITORS if example.page(each).variant == "treatment")
        os.kill(example.server_pid, signal.SIGTERM)
        wait_for(lambda: example.page(treated).variant == "control")
        page = example.page()
        assert (page.status, page.variant) == (200, "control")
        assert len(page.all("set-cookie")) == 1
    assert not Path(example.data_dir).exists()


@dataclass(slots=True)
class Answer:
    """What an assignment server says; nothing at all while `held`."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    held: threading.Event | None = None


class AssignmentServer(ThreadingHTTPServer):
    """Says the same to everyone."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    server: AssignmentServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        answer = self.server.answer
        if answer.held is not None:
            answer.held.wait(60)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is logged."""


@contextmanager
def asking(
    name: str, answer: Answer, **variables: str
) -> Iterator[tuple[Example, AssignmentServer]]:
    """An example that asks a server of ours."""
    with AssignmentServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        origin = f"http://127.0.0.1:{server.server_port}"
        try:
            with running(
                name, ASSIGNMENT_ORIGIN=origin, EXPERIMENT_TOKEN="exp_t", **variables
            ) as example:
                yield example, server
        finally:
            if answer.held is not None:
                answer.held.set()
            server.shutdown()
            thread.join(10)


TREATED = b'{"success": true, "in_experiment": true, "variant_key": "treatment"}'
FAULTS = {
    "401": Answer(401, TREATED),
    "404": Answer(404, b'{"success": false, "error": "no such experiment"}'),
    "500": Answer(500, TREATED),
    "503": Answer(503, b"", {"Retry-After": "1"}),
    "no JSON": Answer(200, b"<html>"),
    "null": Answer(200, b"null"),
    "not in the experiment": Answer(200, b'{"success": true, "in_experiment": false}'),
}


@pytest.fixture(scope="module", params=list(EXPERIMENTS))
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[Example, AssignmentServer]]:
    with asking(request.param, Answer()) as both:
        yield both


@pytest.mark.parametrize("fault", FAULTS)
def test_node_example__faulty_answer__control(
    fault: str, asked: tuple[Example, AssignmentServer]
) -> None:
    example, server = asked
    server.answer = Answer(200, TREATED)
    assert example.page("v").variant == "treatment"
    server.answer = FAULTS[fault]
    page = example.page("v")
    assert (page.status, page.variant) == (200, "control")


def test_node_example__answer_that_needs_escaping__escaped(
    asked: tuple[Example, AssignmentServer],
) -> None:
    example, server = asked
    payload = b'"payload": {"headline": "<script>alert(1)</script>"}'
    body = TREATED.replace(b'"treatment"', b'"a\\"><i>", ' + payload)
    server.answer = Answer(200, body)
    text = example.page("v").text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text and "<i>" not in text


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_node_example__no_answer__control_before_it_comes(name: str) -> None:
    silent = Answer(held=threading.Event())
    with asking(name, silent, PATIENCE_MS="3000") as (example, server):
        assert example.page("v").variant == "control"
        assert server.asked == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_node_example__too_many_requests__control_and_quiet(name: str) -> None:
    with asking(name, Answer(429, b"{}", {"Retry-After": "60"})) as (example, server):
        assert [example.page("v").variant for _ in range(3)] == ["control"] * 3
        assert server.asked == 1
