"""The default transport, over real sockets."""

import gzip
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from fairlot.sdk.transport import HttpRequest, HttpResponse, ResponseTooLarge, UrllibTransport
from support.canned_server import Say, certificate, drip, saying
from support.processes import free_port

HEAD = b"HTTP/1.1 200 OK\r\n"
LONG_S = 30.0


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def whole(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(url: str, **fields: object) -> HttpResponse:
    return UrllibTransport()(HttpRequest("GET", url, **fields))  # type: ignore[arg-type]


def refused(url: str, **fields: object) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the test looks at what it says
        get(url, **fields)
    return caught.value


def test_get__whole_answer__comes_with_lower_case_headers() -> None:
    head = HEAD + b'ETag: "x"\r\nX-Long: a\r\n'
    with saying(whole(b"body", head)) as server:
        answer = get(f"{server.url}/m.json?a=b", headers={"If-None-Match": '"y"'})
    assert answer == HttpResponse(
        200, {"etag": '"x"', "x-long": "a", "content-length": "4"}, b"body"
    )
    (heard,) = server.heard
    assert heard.startswith(b"GET /m.json?a=b HTTP/1.1\r\n")
    lines = heard.lower().split(b"\r\n")
    assert b'if-none-match: "y"' in lines
    assert b"accept-encoding: identity" in lines
    assert f"user-agent: fairlot/{version('fairlot')}".encode() in lines


def test_post__body__is_sent_as_it_is() -> None:
    def speak(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(whole(b"ok"))

    with saying(speak) as server:
        request = HttpRequest(
            "POST", f"{server.url}/e", {"content-type": "application/json"}, body=b'{"a":1}'
        )
        assert UrllibTransport()(request).body == b"ok"
    assert server.heard[0].startswith(b"POST /e HTTP/1.1\r\n")
    assert b"content-type: application/json" in server.heard[0].lower()
    assert b"content-length: 7" in server.heard[0].lower()


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 429, 500, 503])
def test_get__any_status__is_an_answer(status: int) -> None:
    with saying(b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" % status) as server:
        answer = get(server.url)
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_get__redirect__is_not_followed(status: int) -> None:
    with saying(whole(b"")) as elsewhere:
        location = elsewhere.url.encode()
        head = b"HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
        with saying(head) as server:
            answer = get(server.url)
    assert (answer.status, answer.headers["location"]) == (status, elsewhere.url)
    assert elsewhere.heard == []


def test_get__several_requests__use_one_transport() -> None:
    transport = UrllibTransport()
    with saying(whole(b"x")) as server:
        for _ in range(3):
            assert transport(HttpRequest("GET", server.url)).body == b"x"
    assert len(server.heard) == 3


# Bounds.


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"x" * 101),
        HEAD + b"Content-Length: 9999999999\r\n\r\n",
        HEAD + b"\r\n" + b"x" * 101,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n",
    ],
    ids=["longer", "announced", "to the end", "chunked"],
)
def test_get__body_over_the_cap__is_refused(answer: bytes) -> None:
    with saying(answer) as server:
        error = refused(server.url, max_bytes=100)
    assert isinstance(error, ResponseTooLarge)
    assert "100 bytes" in str(error)


def test_get__endless_body__is_refused_at_the_cap() -> None:
    with saying(drip(HEAD + b"\r\n" + b"x" * 1000, 0.001)) as server:
        assert isinstance(refused(server.url, max_bytes=1000, timeout_s=LONG_S), ResponseTooLarge)


def test_get__body_of_just_the_cap__is_an_answer() -> None:
    with saying(whole(b"x" * 100)) as server:
        assert len(get(server.url, max_bytes=100).body) == 100


def test_get__long_body_of_a_failure__is_cut() -> None:
    with saying(whole(b"x" * 101, b"HTTP/1.1 500 X\r\n")) as server:
        answer = get(server.url, max_bytes=100)
    assert (answer.status, len(answer.body)) == (500, 100)


def test_get__compressed_though_not_asked__is_refused() -> None:
    head = HEAD + b"Content-Encoding: gzip\r\n"
    with saying(whole(gzip.compress(bytes(10_000_000)), head)) as server:
        assert "gzip compressed, though that was not asked for" in str(refused(server.url))


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 10\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["short", "short chunk", "header line", "nothing", "not http"],
)
def test_get__broken_answer__is_an_oserror(answer: bytes) -> None:
    with saying(answer) as server:
        assert str(refused(server.url))


@pytest.mark.parametrize(
    "start",
    [b"", HEAD, HEAD + b"X: ", HEAD + b"\r\n", HEAD + b"Content-Length: 9999\r\n\r\n"],
    ids=["status", "name", "value", "body", "announced body"],
)
def test_get__byte_now_and_then__ends_when_the_time_is_over(start: bytes) -> None:
    with saying(drip(start)) as server:
        begun = time.monotonic()
        error = refused(server.url, timeout_s=0.3)
        took_s = time.monotonic() - begun
    assert "timed out" in str(error)
    assert 0.25 < took_s < LONG_S


def test_get__nobody_there__is_an_oserror() -> None:
    assert isinstance(refused(f"http://127.0.0.1:{free_port()}/"), OSError)


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:9/a b", {}),
        ("http://127.0.0.1:9/", {"authorization": "Bearer a\r\nX-Evil: 1"}),
        ("gopher://127.0.0.1:9/", {}),
        ("http://a..b.invalid/", {}),
        ("file:///etc/hostname", {}),
    ],
)
def test_get__request_that_cannot_be_sent__is_an_oserror(url: str, headers: dict[str, str]) -> None:
    assert isinstance(refused(url, headers=headers), OSError)


# Several addresses.


def test_get__first_address_of_a_name_refuses__takes_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = free_port()
    with saying(whole(b"x")) as server:

        def two_addresses(*_arguments: object) -> list[object]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
                for port in (dead, server.port)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        assert get("http://two.example/").body == b"x"


def test_get__address_of_a_family_that_is_not_there__the_next_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with saying(whole(b"x")) as server:
        there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        found = [(12345, *there[1:]), there]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments: found)
        assert get("http://two.example/").body == b"x"


def test_get__name_without_an_address__is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments: [])
    assert "no address" in str(refused("http://none.example/"))


# Proxies.


def test_get__proxy_in_the_environment__is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(whole(b"by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert get("http://far.example/m.json").body == b"by proxy"
    assert proxy.heard[0].startswith(b"GET http://far.example/m.json HTTP/1.1\r\n")


def test_get__host_excepted_from_the_proxy__is_asked_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with saying(whole(b"itself")) as server, saying(whole(b"by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert get(server.url).body == b"itself"
    assert proxy.heard == []


# TLS.


def test_get__certificate_that_is_believed__is_answered_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    transport = UrllibTransport()
    with saying(whole(b"secret"), context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert transport(HttpRequest("POST", url, body=b"x")).body == b"secret"
    with saying(drip(HEAD), context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with pytest.raises(OSError, match="timed out"):
            transport(HttpRequest("GET", url, timeout_s=0.5))


def test_get__https_by_a_proxy__through_a_tunnel_bounded_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    def tunnel(answer: Say) -> Say:
        def speak(connection: socket.socket, over: threading.Event) -> None:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with context.wrap_socket(connection, server_side=True) as inside:
                inner.append(inside.recv(65536))
                answer(inside, over)

        return speak

    inner: list[bytes] = []
    with saying(tunnel(lambda inside, _: inside.sendall(whole(b"secret")))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        answer = get("https://127.0.0.1:9/m.json", headers={"authorization": "Bearer key"})
    assert answer.body == b"secret"
    assert proxy.heard[0].startswith(b"CONNECT 127.0.0.1:9 ")
    assert b"Bearer" not in proxy.heard[0]
    assert inner[0].startswith(b"GET /m.json HTTP/1.1\r\n")
    assert b"Authorization: Bearer key" in inner[0]
    with saying(tunnel(drip(HEAD))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert "timed out" in str(refused("https://127.0.0.1:9/m.json", timeout_s=0.5))
    with saying(drip(b"HTTP/1.1 200 OK\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert "timed out" in str(refused("https://127.0.0.1:9/m.json", timeout_s=0.5))
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with saying(refusal) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert "407" in str(refused("https://127.0.0.1:9/m.json"))


def test_get__certificate_of_a_stranger__is_refused(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with saying(whole(b"secret"), context) as server:
        assert "CERTIFICATE" in str(refused(f"https://127.0.0.1:{server.port}/"))


def test_import__of_the_transport__loads_no_http() -> None:
    code = (
        "import sys; from fairlot.sdk.transport import UrllibTransport; UrllibTransport();"
        "print([name for name in ('ssl', 'http.client', 'urllib.request') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
