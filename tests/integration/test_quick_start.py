"""What a first server serves, decides, records and signs."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from support.processes import (
    ServerProcess,
    ask,
    fairlot,
    get,
    published,
    serving,
    variant_of,
)
from support.waiting import wait_for

pytestmark = pytest.mark.slow

VISITORS = [f"visitor-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """`fairlot init`, `fairlot apply experiments`, `fairlot serve`."""
    directory = tmp_path_factory.mktemp("start")
    data_dir, experiments = directory / ".fairlot", directory / "experiments"
    fairlot("init", str(experiments), "--data", str(data_dir))
    token = published(data_dir, experiments)
    with serving(data_dir) as server:
        yield server, token


def test_quick_start__served__is_what_decide_says_and_events_hold(
    started: tuple[ServerProcess, str],
) -> None:
    server, token = started
    data = ("--data", str(server.data_dir))
    served = {}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        for visitor in VISITORS:
            status, answer = ask(connection, "welcome", token, visitor)
            assert status == 200
            served[visitor] = variant_of(answer)
    assert set(served.values()) == {None, "control", "benefit"}
    for visitor in VISITORS[:3]:
        assert fairlot("decide", "welcome", visitor, *data)["variant"] == served[visitor]
    shown = {visitor: variant for visitor, variant in served.items() if variant is not None}

    def recorded() -> dict[str, str]:
        events = fairlot("events", "--experiment", "welcome", *data)["events"]
        return {event["subject_id"]: event["variant_key"] for event in events}

    wait_for(lambda: len(recorded()) == len(shown))
    assert recorded() == shown


def test_quick_start__manifest_and_keys_from_the_server__verify(
    started: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    server, _ = started
    document, keys = tmp_path / "manifest.json", tmp_path / "jwks.json"
    document.write_bytes(get(server, "/v1/default/manifest.json")[1])
    keys.write_bytes(get(server, "/.well-known/jwks/default")[1])
    verdict = fairlot("manifest", "verify", str(document), "--jwks", str(keys))
    assert (verdict["verified"], verdict["version"], verdict["experiments"]) == (True, 1, 1)


def test_quick_start__openapi_of_the_server__is_what_the_command_prints(
    started: tuple[ServerProcess, str],
) -> None:
    assert json.loads(get(started[0], "/openapi.json")[1]) == fairlot("openapi")


def test_serve__port_in_use__ends_with_an_error(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as first:
        ran = fairlot(
            *("serve", "--data", str(tmp_path / "two"), "--port", str(first.port)), check=False
        )
        assert ran["error"]["code"] == "port_unusable"
