"""Commands over a network, and over the data directory: the same answers, clear errors."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.app import create_app
from fairlot.cli.control import (
    ControlClient,
    ControlRefused,
    organization_path,
    project_path,
    remote_control,
)
from fairlot.cli.in_process import local_actor
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.service.actors import Scope
from fairlot.settings import Settings
from support.canned_server import certificate, saying
from support.commands import Run
from support.live import serving
from support.processes import free_port

SECRET = "s" * 40
KEY = f"fx_key_12345678.{SECRET}"


@pytest.fixture
def admin(run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key of the data directory `here`, in the environment."""
    run("init", "--data-only", "--data", "here")
    scopes = [word for scope in Scope for word in ("--scope", scope)]
    key: str = run("keys", "create", *scopes, "--data", "here", "--json").json["key"]
    monkeypatch.setenv("FAIRLOT_API_KEY", key)
    return key


@pytest.fixture
def served(run: Run, tmp_path: Path, database_url: str | None, admin: str) -> Iterator[str]:
    """The URL of a server over the data directory `here`, in which `run` runs too."""
    settings = Settings(data_dir=tmp_path / "here", database_url=database_url, poll_interval_s=0.05)
    application = create_app(settings)
    # What the server logs would stand in the output of the commands.
    with capture_logs(), serving(application, BoundedHttpProtocol) as port:
        yield f"http://127.0.0.1:{port}"


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_control__here_and_there__answer_alike(
    run: Run, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = run("keys", "list", "--url", served, "--json")
    assert there.code == 0, there.err
    assert there.json == run("keys", "list", "--data", "here", "--json").json
    monkeypatch.setenv("FAIRLOT_URL", served + "/")
    assert run("keys", "list", "--json").json == there.json
    assert run("keys", "list").out == run("keys", "list", "--data", "here").out


def test_control__change_there__is_by_the_key_and_here_by_the_user(
    run: Run, served: str, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("keys", "create", "--scope", "read", "--url", served, "--json").json
    assert made["createdBy"] == f"key:{admin[7:15]}"
    monkeypatch.setenv("FAIRLOT_ACTOR", "ada")
    made = run("keys", "create", "--scope", "read", "--data", "here", "--json").json
    assert made["createdBy"] == "local:ada"


def test_control__refusal__is_the_same_error_here_and_there(run: Run, served: str) -> None:
    here = run("keys", "revoke", "nosuchid", "--data", "here", "--json")
    there = run("keys", "revoke", "nosuchid", "--url", served, "--json")
    assert (there.code, there.json) == (1, here.json)
    assert there.json["error"]["code"] == "unknown_key"
    assert run("keys", "revoke", "nosuchid", "--url", served).err.startswith("Error: nosuchid: no")


def test_drop_looks__here_and_there__is_refused_alike(
    run: Run, served: str, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hero.yaml").write_text(
        "key: hero\nname: Hero\nvariants: [{key: a, name: A}, {key: b, name: B}]\n", "utf-8"
    )
    assert run("apply", "files", "--yes", "--data", "here").code == 0
    words = ("experiments", "drop-looks", "hero", "--reason", "half an import", "--json")
    here, there = run(*words, "--data", "here"), run(*words, "--url", served)
    assert (there.code, there.json) == (1, here.json)
    assert there.json["error"]["code"] == "nothing_to_drop"
    assert run("experiments", "drop-looks", "hero", "--data", "here").code == 2


@pytest.mark.parametrize("path", ["plan", "apply"])
def test_control__body_over_the_limit__is_refused_by_an_answer(
    served: str, admin: str, path: str
) -> None:
    with pytest.raises(ControlRefused) as refused:
        remote_control(served, admin).request(
            "POST", project_path("default", "default", path), b" " * 6_000_000
        )
    assert refused.value.status == 413
    assert refused.value.reported_code == "too_large"


def test_control__wrong_key__is_told(run: Run, served: str) -> None:
    ran = run("keys", "list", "--url", served, "--key", KEY, "--json")
    assert ran.json["error"]["code"] == "unauthorized"
    assert "missing, wrong, expired or revoked" in ran.json["error"]["message"]


def test_control__data_flag__beats_the_variable(
    run: Run, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLOT_URL", "http://127.0.0.1:9")
    assert run("keys", "list", "--data", "here").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--url", "http://h", "--data", "d"), "name one of the two"),
        (("--key", KEY), "name it with --url or FAIRLOT_URL"),
        (("--url", "http://h"), "set FAIRLOT_API_KEY"),
        (("--url", "http://h", "--key", "admin:secret"), "begins with fx_key_"),
        (("--url", "http://h", "--key", KEY + "\r\nx: y"), "begins with fx_key_"),
        (("--url", "h:8080", "--key", KEY), "name a server as in https://fairlot.example"),
        (("--url", "ftp://h", "--key", KEY), "name a server"),
        (("--url", "http://h:port", "--key", KEY), "name a server"),
        (("--url", "http://me@h", "--key", KEY), "has a user, a query or a fragment"),
        (("--url", "http://h/?a=b", "--key", KEY), "has a user, a query or a fragment"),
    ],
)
def test_control__options_that_cannot_be__are_told(
    run: Run, words: tuple[str, ...], told: str
) -> None:
    ran = run("keys", "list", *words)
    assert ran.code == 1
    assert told in ran.err
    assert SECRET not in ran.err
    assert "admin:secret" not in ran.err


def test_control__nobody_listens__is_told(run: Run) -> None:
    port = free_port()
    ran = run("keys", "list", "--url", f"http://127.0.0.1:{port}", "--key", KEY, "--json")
    assert ran.json["error"]["code"] == "server_unreachable"
    assert f"http://127.0.0.1:{port}: no answer" in ran.json["error"]["message"]
    assert "Connection refused" in ran.json["error"]["message"]


def test_control__certificate_that_nobody_vouches_for__is_told(run: Run, tmp_path: Path) -> None:
    with saying(answer("200 OK", b"{}"), certificate(tmp_path)[0]) as server:
        url = f"https://127.0.0.1:{server.port}"
        ran = run("keys", "list", "--url", url, "--key", KEY)
    assert ran.code == 1
    assert "certificate verify failed" in ran.err
    assert not any(SECRET.encode() in heard for heard in server.heard)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer("502 Bad Gateway", b"<h1>oops</h1>", "content-type: text/html"), "502 with text"),
        (answer("404 Not Found", b""), "404 with no content type"),
        (
            answer("500 Oops", b"[1", "content-type: application/problem+json"),
            "500 with application/problem+json",
        ),
        (
            answer("401 No", b'"no"', "content-type: application/problem+json"),
            "401 with application/problem+json",
        ),
    ],
)
def test_control__answer_of_something_else__is_told(run: Run, said: bytes, told: str) -> None:
    with saying(said) as server:
        ran = run("keys", "list", "--url", server.url, "--key", KEY)
    assert ran.code == 1
    assert told in ran.err
    assert "no Fairlot server does" in ran.err


def test_control__html_that_says_200__is_told(run: Run) -> None:
    with saying(answer("200 OK", b"<p>Welcome</p>", "content-type: text/html")) as server:
        ran = run("keys", "list", "--url", server.url, "--key", KEY)
    assert ran.code == 1
    assert "200 with text/html" in ran.err


def test_control__redirect__is_not_followed_with_the_key(run: Run) -> None:
    with saying(answer("200 OK", b"{}", "content-type: application/json")) as other:
        moved = answer("307 Temporary Redirect", b"", f"location: {other.url}/x")
        with saying(moved) as server:
            ran = run("keys", "list", "--url", server.url, "--key", KEY)
    assert ran.code == 1
    assert f"points to {other.url}/x" in ran.err
    assert other.heard == []


def test_control__key__is_sent_as_a_bearer_and_not_in_the_url(run: Run) -> None:
    page = b'{"items": [], "next": null}'
    with saying(answer("200 OK", page, "content-type: application/json")) as server:
        assert run("keys", "list", "--url", server.url + "/base", "--key", KEY).code == 0
    (heard,) = server.heard
    line, _, headers = heard.partition(b"\r\n")
    assert line == b"GET /base/api/v1/orgs/default/keys HTTP/1.1"
    assert f"bearer {KEY}".lower().encode() in headers.lower()


def test_control__unencrypted_beyond_this_machine__is_noted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> HttpResponse:
        raise OSError("not tried")

    monkeypatch.setattr("fairlot.sdk.transport.UrllibTransport.__call__", refuse)
    ran = run("keys", "list", "--url", "http://fairlot.example", "--key", KEY)
    assert "the key goes there unencrypted" in ran.err
    ran = run("keys", "list", "--url", "https://fairlot.example", "--key", KEY)
    assert "unencrypted" not in ran.err


def test_client__list_of_several_pages__is_walked() -> None:
    asked: list[str] = []

    def pages(request: HttpRequest, /) -> HttpResponse:
        asked.append(request.url)
        last = "cursor=" in request.url
        page = {"items": [2] if last else [1], "next": None if last else "a&b"}
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(page).encode())

    client = ControlClient(pages, "http://h")
    assert list(client.items("/list", {"state": "live", "kind": None})) == [1, 2]
    assert asked == ["http://h/list?state=live", "http://h/list?state=live&cursor=a%26b"]


def test_client__problem__keeps_its_members() -> None:
    problem = b'{"code": "stale", "detail": "changed", "status": 412, "current": {"revision": 7}}'
    refusal = HttpResponse(412, {"content-type": "application/problem+json"}, problem)
    with pytest.raises(ControlRefused, match="changed") as caught:
        ControlClient(lambda _: refusal).request("PUT", "/x", {})
    assert (caught.value.status, caught.value.reported_code) == (412, "stale")
    assert caught.value.details == {"current": {"revision": 7}}


def test_paths__odd_names__are_quoted() -> None:
    assert organization_path("a/b", "keys") == "/api/v1/orgs/a%2Fb/keys"
    assert project_path("o", "p", "x y") == "/api/v1/orgs/o/projects/p/x%20y"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ada", "local:ada"), ("a\nb", "local:a?b"), ("x" * 70, "local:" + "x" * 58)],
)
def test_local_actor__name__fits_the_records(name: str, expected: str) -> None:
    assert local_actor({"FAIRLOT_ACTOR": name}).name == expected


def test_local_actor__without_the_variable__is_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    assert local_actor({}).name == "local:grace"
    assert local_actor({}).scopes == frozenset(Scope)


def test_local_actor__user_without_a_name__is_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert local_actor({}).name == "local:4711"
