"""Every example with a page is started by the command of its README and visited."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from fairlot.events import Exposure
from fairlot.warehouse.readers import read_conversions, read_exposures
from support.processes import environment, free_port
from support.waiting import wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 120.0
SET_UP = "make setup && "


@dataclass(frozen=True, slots=True)
class Page:
    """An example with a page: its experiment, variants, and what its button sends."""

    name: str
    experiment: str
    headlines: dict[str, str]
    form: str
    event: str


PAGES = [
    Page(
        "fastapi",
        "front-page",
        {"control": "Books for long evenings", "tonight": "Read it tonight"},
        "/orders",
        "order",
    ),
    Page(
        "django",
        "garden-box",
        {
            "control": "Twelve packets of heirloom seeds",
            "harvest": "A salad from your own sill in six weeks",
        },
        "/orders",
        "order",
    ),
    Page(
        "flask",
        "subscription",
        {
            "control": "Fresh coffee every second Friday",
            "lower-price": "Fresh coffee every second Friday",
            "first-bag": "The first bag is on us",
        },
        "/orders",
        "subscribed",
    ),
    Page(
        "wsgi",
        "hut-page",
        {
            "control": "Twelve beds above the clouds",
            "the-way": "Three hours from the last bus",
        },
        "/bookings",
        "booked",
    ),
]


class Texts(HTMLParser):
    """The text of each element that has an id, of `h1`, and the hidden fields of forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.hidden: dict[str, str] = {}
        self._open: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = given.get("id", tag)
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.found.setdefault(self._open, data.strip())
            self._open = None


def command_of(example: str) -> list[str]:
    """What the README says to run, as words, without the set-up that the tests have had."""
    text = (ROOT / "examples" / example / "README.md").read_text("utf-8")
    (command,) = re.findall(r"^    (make .*)$", text, re.MULTILINE)
    assert command.startswith(SET_UP)
    words = shlex.split(command.removeprefix(SET_UP))
    assert words[0] == ".venv/bin/python"
    return [sys.executable, *words[1:]]


@contextmanager
def running(example: str, port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("w") as log:
        process = subprocess.Popen(
            command_of(example),
            cwd=ROOT,
            env=environment(PORT=str(port), PYTHONUNBUFFERED="1"),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                kill_group(process.pid)
                process.wait(5)


def kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def is_answering(url: str, process: subprocess.Popen[bytes], output: Path) -> bool:
    assert process.poll() is None, output.read_text()
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def exposed(data: Path) -> dict[str, list[Exposure]]:
    """The recorded exposures by subject."""
    found: dict[str, list[Exposure]] = {}
    for exposure in read_exposures(data / "events"):
        found.setdefault(exposure.subject_id, []).append(exposure)
    return found


def converted(data: Path) -> set[tuple[str, str]]:
    return {(each.subject_id, each.event_name) for each in read_conversions(data / "events")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_example__visited_twice__variant_kept_and_exposure_recorded(
    page: Page, tmp_path: Path
) -> None:
    port, output = free_port(), tmp_path / "output"
    url = f"http://127.0.0.1:{port}"
    with (
        running(page.name, port, output) as process,
        httpx.Client(base_url=url, timeout=30) as visitor,
    ):
        wait_for(lambda: is_answering(url, process, output), START_WITHIN_S)

        first = visitor.get("/")
        shown = Texts(first.text)
        variant = shown.found["variant"]
        assert shown.found["reason"] == "bucket"
        assert shown.found["h1"] == page.headlines[variant]
        cookies = {cookie.name: cookie.value or "" for cookie in visitor.cookies.jar}
        assert cookies[f"fx.{page.experiment}"] == variant
        assert cookies["fx_sid"] in first.text

        again = visitor.get("/")
        assert Texts(again.text).found["variant"] == variant
        assert Texts(again.text).found["reason"] == "sticky"
        assert not [line for line in again.headers.get_list("set-cookie") if "fx" in line]

        answer = visitor.post(page.form, data=shown.hidden)
        assert answer.status_code in (302, 303)
        assert 'role="status">' in visitor.get(answer.headers["location"]).text

        variants = set()
        for _ in range(24):
            left = visitor.get("/someone-else")
            assert left.status_code in (302, 303)
            variants.add(Texts(visitor.get("/").text).found["variant"])
        assert len(variants) > 1

        (told,) = re.findall(r"events --data (\S+)", output.read_text())
        data = Path(told)
        wait_for(lambda: cookies["fx_sid"] in exposed(data), 30)
        (mine,) = exposed(data)[cookies["fx_sid"]]
        assert (mine.experiment_key, mine.variant_key) == (page.experiment, variant)
        assert mine.reason == "bucket"
        wait_for(lambda: (cookies["fx_sid"], page.event) in converted(data), 30)
    assert process.returncode == 0
    assert not data.exists()


def test_example__lambda__prints_the_response_for_each_kind_of_event(tmp_path: Path) -> None:
    ran = subprocess.run(
        command_of("lambda"),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    parts = re.split(r"^--- (.*)$", ran.stdout, flags=re.MULTILINE)
    responses = {
        kind: json.loads(text) for kind, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert list(responses) == ["schedule", "gateway", "function-url", "load-balancer"]
    assert responses["schedule"] == {"refreshed": True}

    shown = json.loads(responses["gateway"]["body"])["variant"]
    subject, sticky = sorted(responses["gateway"]["cookies"], reverse=True)
    assert subject.startswith("fx_sid=")
    assert sticky.startswith(f"fx.delivery-promise={shown}; Path=/; Max-Age=31536000")

    # This visitor's draw is `weekday` (bucket 9541 of murmur3): only the cookie says `control`.
    assert "cookies" not in responses["function-url"]
    assert json.loads(responses["function-url"]["body"])["variant"] == "control"

    headers = responses["load-balancer"]["multiValueHeaders"]
    assert len(headers["Set-Cookie"]) == 2
    assert headers["content-type"] == ["application/json"]


def test_example__unknown_name__says_which_there_are() -> None:
    ran = subprocess.run(
        [sys.executable, "examples/run.py", "rails"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "fastapi" in ran.stderr
