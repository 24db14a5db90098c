"""Commands that find the control plane busy with what somebody else writes."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.app import create_app
from fairlot.cli.control import ControlClient, ControlRefused
from fairlot.cli.waiting import FOR_S, until_taken
from fairlot.engine.errors import FairlotError
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.settings import Settings
from fairlot.store import open_store
from fairlot.store.sqlite import sqlite_engine
from support.commands import Run
from support.live import serving

LOCK_WAIT_S = 0.2
HELD_S = 1.0
KILL = ("kill", "hero", "--reason", "broken")
BUSY = "another writer holds the database; nothing was changed, try again"


class Busy(FairlotError):
    code = "busy"


class Clock:
    """Moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def refusal(status: int, *, retry_after: str | None = "1") -> HttpResponse:
    problem = json.dumps({"code": "unavailable", "detail": BUSY}).encode()
    headers = {"content-type": "application/problem+json"}
    return HttpResponse(
        status, headers if retry_after is None else {**headers, "retry-after": retry_after}, problem
    )


class Answering:
    """A transport that gives these answers, the last one again and again."""

    def __init__(self, *answers: HttpResponse) -> None:
        self.left = list(answers)
        self.requests: list[HttpRequest] = []

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        self.requests.append(request)
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(
        "fairlot.cli.control.until_taken", partial(until_taken, clock=clock, sleep=clock.sleep)
    )
    return clock


DONE = HttpResponse(200, {"content-type": "application/json"}, b"{}")


def test_change__answered_503__is_asked_again_under_one_key(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    transport = Answering(refusal(503, retry_after="2"), refusal(503, retry_after="2"), DONE)
    assert ControlClient(transport).change("POST", "/x", {"a": 1}).json == {}
    assert clock.now == 4
    first, *others = transport.requests
    assert len(first.headers["idempotency-key"]) == 32
    assert others == [first, first]
    assert capsys.readouterr().err == f"Waiting for up to 30 s: {BUSY}\n"


def test_change__each__has_a_key_of_its_own(clock: Clock) -> None:
    transport = Answering(DONE)
    client = ControlClient(transport)
    client.change("POST", "/x", headers={"if-match": '"1"'})
    client.change("POST", "/x")
    first, second = transport.requests
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert first.headers["if-match"] == '"1"'


def test_change__busy_for_longer__fails_with_the_last_answer(clock: Clock) -> None:
    transport = Answering(refusal(503))
    with pytest.raises(ControlRefused, match="another writer") as caught:
        ControlClient(transport).change("POST", "/x")
    assert (caught.value.status, len(transport.requests)) == (503, FOR_S + 1)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(409),
        refusal(503, retry_after=None),
        refusal(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        refusal(503, retry_after="31"),
    ],
)
def test_change__answer_that_is_not_to_be_waited_for__fails_at_once(
    clock: Clock, capsys: pytest.CaptureFixture[str], answer: HttpResponse
) -> None:
    transport = Answering(answer)
    with pytest.raises(ControlRefused):
        ControlClient(transport).change("POST", "/x")
    assert (len(transport.requests), capsys.readouterr().err) == (1, "")


def test_request__answered_503__fails_and_has_no_key(clock: Clock) -> None:
    """Its answer may be a secret, which is not to be kept."""
    transport = Answering(refusal(503))
    with pytest.raises(ControlRefused):
        ControlClient(transport).request("POST", "/x")
    (request,) = transport.requests
    assert "idempotency-key" not in request.headers


@pytest.fixture
def hero(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run`, in a directory where `hero` runs; writers give up waiting after 0.2 s."""
    run("init", "--data-only", "--data", "here")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hero.yaml").write_text(
        "key: hero\nname: Hero\nstatus: running\n"
        "variants: [{key: a, name: A}, {key: b, name: B}]\n",
        "utf-8",
    )
    assert run("apply", "files", "--yes", "--data", "here").code == 0
    monkeypatch.setattr(
        "fairlot.store.sqlite.sqlite_engine", partial(sqlite_engine, lock_wait_s=LOCK_WAIT_S)
    )
    monkeypatch.setattr(
        "fairlot.store.postgres_connection._SERVER_SIDE", {"lock_timeout": f"{LOCK_WAIT_S}s"}
    )
    return run


@contextmanager
def another_writer(data_dir: Path, database_url: str | None, held_s: float) -> Iterator[None]:
    """Who has a write transaction open when the block begins, and ends it `held_s` later."""
    has_it = threading.Event()
    end_now = threading.Event()

    def write() -> None:
        with closing(open_store(data_dir, None, database_url)) as store, store.writing():
            has_it.set()
            end_now.wait(held_s)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert has_it.wait(30)
        yield
    finally:
        end_now.set()
        thread.join()


def test_kill__while_another_writes_to_the_data_directory__waits_for_it(
    hero: Run, tmp_path: Path, database_url: str | None
) -> None:
    with another_writer(tmp_path / "here", database_url, HELD_S):
        ran = hero(*KILL, "--data", "here")
    assert (ran.code, ran.out.startswith("hero is killed. Published version 2.")) == (0, True)
    # Opening a database in PostgreSQL waits as long as need be, and says nothing.
    assert ("Waiting for up to 30 s" in ran.err) is (database_url is None)


def test_kill__while_another_writes_to_the_server__waits_for_it(
    hero: Run, tmp_path: Path, database_url: str | None
) -> None:
    key = hero("keys", "create", "--scope", "write", "--data", "here", "--json").json["key"]
    settings = Settings(data_dir=tmp_path / "here", database_url=database_url)
    application = create_app(settings)
    with (
        capture_logs(),
        serving(application, BoundedHttpProtocol) as port,
        another_writer(tmp_path / "here", database_url, HELD_S),
    ):
        ran = hero(*KILL, "--url", f"http://127.0.0.1:{port}", "--key", key)
    assert (ran.code, ran.out.startswith("hero is killed. Published version 2.")) == (0, True)
    assert ran.err == f"Waiting for up to 30 s: {BUSY}\n"
