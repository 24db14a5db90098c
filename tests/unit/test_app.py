import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
import structlog

from fairlot.app import (
    AlreadyServing,
    Application,
    StartFailed,
    UnsupportedScope,
    configure_logging,
    create_app,
    serve,
    serve_lock,
)
from fairlot.http.access_log import AccessLog
from fairlot.service.access import existing_project
from fairlot.service.bootstrap import bootstrap
from fairlot.settings import Settings
from fairlot.store import Store, open_store
from fairlot.store.audit import read_audit_records
from fairlot.store.credentials import read_api_keys
from fairlot.store.tokens import tokens_of
from fairlot.warehouse.log import count_exposures, read_exposures
from support.applying import apply_texts
from support.asgi import AsgiClient, Response
from support.credentials import create_key
from support.processes import START_WITHIN_S, free_port, group_members
from support.waiting import wait_for

HERO = """
key: hero
name: Hero
variants:
  - key: control
    name: Control
  - key: bold
    name: Bold
"""
POLL_S = 0.05


def opened(settings: Settings) -> contextlib.closing[Store]:
    return contextlib.closing(open_store(settings.data_dir, None, settings.database_url))


def publish(settings: Settings, text: str = HERO) -> None:
    with opened(settings) as store:
        apply_texts(store, text, now_ms=time.time_ns() // 1_000_000)


# In place of the fixture, for what is about files or processes and not about the store.
on_the_file = pytest.mark.parametrize("database_url", [None])


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return settings_of(tmp_path, database_url=database_url)


@pytest.fixture
def token(settings: Settings) -> str:
    """Of a project with one experiment."""
    with opened(settings) as store:
        credentials = bootstrap(store)
    assert credentials is not None
    publish(settings)
    return credentials.token


def settings_of(data_dir: Path, **fields: Any) -> Settings:
    return Settings(data_dir=data_dir, poll_interval_s=POLL_S, **fields)


def assign(client: AsgiClient, token: str, visitor_id: str = "v1") -> Response:
    body = {"token": token, "visitor_id": visitor_id}
    return client.post("/api/v1/experiments/assignments/hero", body)


def until(client: AsgiClient, holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        client.run(asyncio.sleep(POLL_S))


def test_application__published_experiment__is_served_and_recorded(
    settings: Settings, token: str
) -> None:
    with AsgiClient(create_app(settings)) as client:
        answer = assign(client, token)
        assert answer.json["in_experiment"] is True
        assert client.get("/v1/default/manifest.json").status == 200
        assert client.get("/.well-known/jwks/default").json["keys"]
        assert client.get("/.well-known/revocations/default").json == {
            "revoked": {},
            "previews": [],
        }
        assert client.get("/readyz").status == 200
        assert "fairlot_manifest_version" in client.get("/metrics").body.decode()
    (exposure,) = read_exposures(settings.events_dir)
    assert exposure.variant_key == answer.json["variant_key"]


@on_the_file
def test_application__events_that_wait__move_into_parquet_in_the_background(
    settings: Settings, token: str
) -> None:
    with AsgiClient(create_app(settings)) as client:
        assign(client, token)
    before = list(read_exposures(settings.events_dir))

    with AsgiClient(create_app(replace(settings, compact_rows=1))) as client:
        until(
            client, lambda: "fairlot_lake_moved_total 1.0" in client.get("/metrics").body.decode()
        )

        assert "fairlot_lake_waiting 0.0" in client.get("/metrics").body.decode()
        assert len(list(settings.events_dir.rglob("*.parquet"))) == 1
        assert list(read_exposures(settings.events_dir)) == before


def test_application__stopped__has_stored_what_was_used_and_what_failed(
    settings: Settings, token: str
) -> None:
    with opened(settings) as store:
        key = create_key(store, scopes=["read"])
    with AsgiClient(create_app(settings)) as client:
        assign(client, token)
        path = "/api/v1/orgs/default/projects"
        assert client.get(path, Authorization=f"Bearer {key.text}").status == 200
        assert client.get(path, Authorization=f"Bearer {key.text}x").status == 401
    with opened(settings) as store, store.reading() as connection:
        project = existing_project(connection, "default", "default")
        (used_token,) = tokens_of(connection, project.id)
        used_key = {row.id: row for row in read_api_keys(connection)}[key.row.id]
        newest = read_audit_records(connection, project.organization_id, limit=1)[0]
    assert used_token.last_used_at_ms is not None
    assert used_key.last_used_at_ms is not None
    assert (newest.action, newest.target) == ("api_key.failed", f"api_key:{key.row.id}")
    assert json.loads(newest.details) == {"wrong_secret": 1}


def test_application__publish_while_serving__is_followed(settings: Settings, token: str) -> None:
    with AsgiClient(create_app(settings)) as client:
        assert assign(client, token).json["experiment_name"] == "Hero"
        publish(settings, HERO.replace("name: Hero\n", "name: Renamed\n"))
        until(client, lambda: assign(client, token).json["experiment_name"] == "Renamed")


def test_application__concurrent_publishes_and_requests__never_fail(
    settings: Settings, token: str
) -> None:
    def publish_often(name: str) -> None:
        for number in range(5):
            publish(settings, HERO.replace("name: Hero\n", f"name: {name} {number}\n"))

    with AsgiClient(create_app(settings)) as client:
        publishers = [threading.Thread(target=publish_often, args=(name,)) for name in "ab"]
        for publisher in publishers:
            publisher.start()
        statuses = set()
        while any(publisher.is_alive() for publisher in publishers):
            statuses.add(assign(client, token).status)
            client.run(asyncio.sleep(0.001))
        until(client, lambda: assign(client, token).json["experiment_name"].endswith("4"))
    assert statuses == {200}


@on_the_file
def test_application__store_gone__goes_on_from_memory(
    tmp_path: Path, settings: Settings, token: str
) -> None:
    with AsgiClient(create_app(settings)) as client:
        for file in tmp_path.glob("fairlot.db*"):
            file.rename(file.with_name("moved-" + file.name))
        (tmp_path / "fairlot.db").write_bytes(b"rubbish" * 1000)
        client.run(asyncio.sleep(4 * POLL_S))
        assert assign(client, token).status == 200


def test_application__data_directory_is_a_file__fails_to_start_with_the_reason(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").write_text("")
    sent = []

    async def start() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        application = create_app(settings_of(tmp_path / "data"))
        await application({"type": "lifespan"}, receive, send)

    asyncio.run(start())
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "data" in sent[0]["message"]


def test_application__http_before_startup__is_refused(tmp_path: Path) -> None:
    with (
        contextlib.closing(AsgiClient(Application(settings_of(tmp_path)))) as client,
        pytest.raises(UnsupportedScope),
    ):
        client.get("/healthz")


def test_serve_lock__held__names_the_process_and_is_free_afterwards(tmp_path: Path) -> None:
    with (
        serve_lock(tmp_path),
        pytest.raises(AlreadyServing, match=str(os.getpid())),
        serve_lock(tmp_path),
    ):
        pass
    with serve_lock(tmp_path):
        pass


def test_access_log__request_with_a_key__is_one_line_without_it(
    settings: Settings, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with AsgiClient(AccessLog(create_app(settings))) as client:
        client.get("/healthz?apiKey=fx_key_secret00.very")
    out = capsys.readouterr().out
    assert "/healthz" in out and "200" in out
    assert "secret" not in out and token not in out


def test_access_log__request_about_a_subject__is_one_line_without_its_name(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/api/v1/orgs/default/projects/default"
    with AsgiClient(AccessLog(create_app(settings))) as client:
        client.request("DELETE", f"{path}/profiles/ada%20lovelace")
        client.get(f"{path}/profiles/ada%20lovelace/export")
        client.get(f"{path}/accounts/acme")
    out = capsys.readouterr().out
    assert f"{path}/profiles/-" in out
    assert f"{path}/profiles/-/export" in out
    assert f"{path}/accounts/-" in out
    assert "ada" not in out and "acme" not in out


class Server:
    """`serve` in a process of its own."""

    def __init__(self, data_dir: Path, workers: int) -> None:
        self.port = free_port()
        values = {"data_dir": data_dir, "port": self.port, "workers": workers}
        environment = os.environ | {
            f"FAIRLOT_{name.upper()}": str(value) for name, value in values.items()
        }
        code = (
            "import os; from fairlot.app import serve; from fairlot.settings import load_settings;"
            " serve(load_settings(None, os.environ, {}))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def request(self, method: str, path: str, value: Any = None) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if value is None else json.dumps(value))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.getheader("server") is None
            is_json = "json" in (answer.getheader("content-type") or "")
            return answer.status, json.loads(text) if is_json else text.decode()
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        give_up_at = time.monotonic() + START_WITHIN_S
        while time.monotonic() < give_up_at:
            with contextlib.suppress(OSError, HTTPException):
                if self.request("GET", "/readyz")[0] == 200:
                    return
            assert self.process.poll() is None, self.stop()
            time.sleep(0.05)
        raise AssertionError(self.stop())

    def workers(self) -> list[int]:
        return group_members(self.process.pid, "spawn_main")

    def stop(self) -> str:
        """What it logged."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def start(tmp_path: Path, token: str) -> Iterator[Callable[[int], Server]]:
    servers = []

    def start_server(workers: int) -> Server:
        servers.append(Server(tmp_path, workers))
        return servers[-1]

    yield start_server
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@on_the_file
@pytest.mark.slow
def test_serve__one_worker__answers_logs_json_and_keeps_everything(
    tmp_path: Path, token: str, start: Callable[[int], Server]
) -> None:
    server = start(1)
    server.wait_until_ready()
    for number in range(50):
        body = {"token": token, "visitor_id": f"visitor-{number}"}
        assert server.request("POST", "/api/v1/experiments/assignments/hero", body)[0] == 200
    lines = server.stop().splitlines()
    assert sum(count_exposures(tmp_path / "events").values()) == 50
    assert lines and all(json.loads(line)["level"] for line in lines)
    assert not any(token in line or "visitor-" in line for line in lines)


@on_the_file
@pytest.mark.slow
def test_serve__second_server__exits_naming_the_first(
    settings: Settings, start: Callable[[int], Server]
) -> None:
    first = start(1)
    first.wait_until_ready()
    second = start(1)
    assert second.process.wait(START_WITHIN_S) != 0
    said = second.process.communicate()[1]
    assert "AlreadyServing" in said and str(first.process.pid) in said
    publish(settings, HERO.replace("name: Hero\n", "name: Still works\n"))


def test_serve__worker_that_cannot_start__is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: Settings) -> None:
        raise SystemExit(3)

    monkeypatch.setattr("fairlot.app._run_uvicorn", run)
    monkeypatch.setattr("fairlot.app.configure_logging", lambda: None)
    with pytest.raises(StartFailed, match="its log above says why"):
        serve(settings_of(tmp_path))


@on_the_file
@pytest.mark.slow
def test_serve__killed_worker__is_restarted_and_figures_are_summed(
    tmp_path: Path, token: str, start: Callable[[int], Server]
) -> None:
    server = start(2)
    server.wait_until_ready()
    body = {"token": token, "visitor_id": "v"}
    for _ in range(20):
        assert server.request("POST", "/api/v1/experiments/assignments/hero", body)[0] == 200
    wait_for(lambda: written_impressions(tmp_path) == 20)
    before = server.workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: before[0] not in server.workers() and len(server.workers()) == 2)
    server.wait_until_ready()
    assert "fairlot_impressions_total 20.0\n" in server.request("GET", "/metrics")[1]


def written_impressions(data_dir: Path) -> float:
    """What the workers have written of themselves so far."""
    files = (data_dir / "run" / "metrics").glob("*.json")
    rows = (row for file in files for row in json.loads(file.read_bytes()))
    total: float = sum(value for name, _, value in rows if name == "fairlot_impressions_total")
    return total


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def logging_kept() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configured)


def test_configure_logging__traceback_on_a_terminal__shows_no_values(
    monkeypatch: pytest.MonkeyPatch, logging_kept: None
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    configure_logging()
    secret = "exp_" + "-".join(["plan", "ted"])
    try:
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger().exception("request.failed")
    assert "ValueError: 12" in terminal.getvalue()
    assert "exp_plan-ted" not in terminal.getvalue()
