"""How commands reach the control plane: a server that `--url` names, or the data directory here.

Both answer the same requests, so a command does not know which of the two it talks to.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import click

from fairlot.cli.errors import CommandFailed, InvalidArgument
from fairlot.cli.options import data_option
from fairlot.cli.output import print_note
from fairlot.cli.waiting import until_taken
from fairlot.engine.errors import FairlotError
from fairlot.sdk.transport import HttpRequest, HttpResponse, Transport, UrllibTransport

URL_VARIABLE: Final = "FAIRLOT_URL"
KEY_VARIABLE: Final = "FAIRLOT_API_KEY"
_TIMEOUT_S: Final = 120.0  # a plan over a long event log takes its time
_MAX_BYTES: Final = 64 * 1024 * 1024
_LOCAL: Final = "http://localhost"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

Given = ParamSpec("Given")
Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])


class ControlUnreachable(CommandFailed):
    """There was no answer, or none of a Fairlot server."""

    code = "server_unreachable"


class ControlRefused(CommandFailed):
    """The control plane's problem, under its own code. What the problem holds beside its message
    goes beside ours. `retry_after_s` None: it does not say that it can be asked again."""

    code = "refused"

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.problem = problem
        standard = {"type", "title", "status", "detail", "code"}
        members = {name: value for name, value in problem.items() if name not in standard}
        super().__init__(str(problem["detail"]), members)

    @property
    def reported_code(self) -> str:
        return str(self.problem["code"])


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ControlClient:
    """`origin` is the URL that paths are appended to; `key` is sent there and nowhere else, as no
    redirect is followed."""

    def __init__(self, transport: Transport, origin: str = _LOCAL, key: str | None = None) -> None:
        self._transport = transport
        self._origin = origin
        self._key = key

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> ControlAnswer:
        """`body` is sent as JSON, bytes as they are; what is None in the `query` is left out.
        Raises ControlRefused for a problem, and ControlUnreachable when there is no answer."""
        named = {name: value for name, value in (query or {}).items() if value is not None}
        response = self._exchange(
            HttpRequest(
                method,
                f"{self._origin}{path}{'?' + urlencode(named) if named else ''}",
                self._headers(body) | dict(headers or {}),
                _sent(body),
                _TIMEOUT_S,
                _MAX_BYTES,
            )
        )
        if response.status >= 300 or _kind_of(response).startswith("text/html"):
            raise self._refusal(response)
        return ControlAnswer(response.status, response.headers, response.body)

    def change(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> ControlAnswer:
        """As `request`; while the control plane cannot make the change now, as when somebody else
        makes one, it is asked again, under one Idempotency-Key. Not for what is answered with a
        secret: the answer is kept."""
        keyed = {"idempotency-key": uuid4().hex, **(headers or {})}
        return until_taken(lambda: self.request(method, path, body, keyed, query), _pause_after)

    def items(self, path: str, query: Mapping[str, object] | None = None) -> Iterator[Any]:
        """Of all pages of a list."""
        cursor: str | None = None
        while True:
            page = self.request("GET", path, query={**(query or {}), "cursor": cursor}).json
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _headers(self, body: object) -> dict[str, str]:
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key}"
        return headers

    def _exchange(self, request: HttpRequest) -> HttpResponse:
        try:
            return self._transport(request)
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            raise ControlUnreachable(
                f"{self._origin}: no answer ({reason}); check the URL, and that a Fairlot server"
                " listens there"
            ) from error

    def _refusal(self, response: HttpResponse) -> CommandFailed:
        problem = _problem_in(response)
        if problem is not None:
            return ControlRefused(response.status, problem, _retry_after_s(response))
        if 300 <= response.status < 400:
            where = response.headers.get("location", "another address")
            return ControlUnreachable(
                f"{self._origin}: answered {response.status}, which points to {where}; the key is"
                " sent to the URL that you name only, so name that one if you trust it"
            )
        return ControlUnreachable(
            f"{self._origin}: answered {response.status} with {_kind_of(response)}, which no"
            " Fairlot server does; check the URL, and what stands between here and the server"
        )


def _sent(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def organization_path(org: str, *segments: str) -> str:
    """`/api/v1/orgs/{org}/...`"""
    return "/".join(["/api/v1/orgs", *(quote(each, safe="") for each in (org, *segments))])


def project_path(org: str, project: str, *segments: str) -> str:
    """`/api/v1/orgs/{org}/projects/{project}/...`"""
    return organization_path(org, "projects", project, *segments)


def control_options(*url_flags: str) -> Callable[[Command], Command]:
    """The options that say which control plane: `data_dir`, `server_url` and `api_key`."""
    key_option = click.option(
        "--key",
        "api_key",
        metavar="KEY",
        help=f"The API key for that server; others on this machine can see it in a list of"
        f" processes, so set {KEY_VARIABLE} instead.",
    )
    url_option = click.option(
        *url_flags,
        "server_url",
        metavar="URL",
        help=f"Work on this server.  [default: {URL_VARIABLE}, else the data directory]",
    )
    return lambda command: data_option(key_option(url_option(command)))


def controlled_with(
    *url_flags: str,
) -> Callable[[Callable[Concatenate[ControlClient, Given], Result]], Callable[..., Result]]:
    """A command whose first parameter is the client of the control plane, with the options that say
    which one: `--data`, `--key`, and the `url_flags`."""

    def decorate(
        command: Callable[Concatenate[ControlClient, Given], Result],
    ) -> Callable[..., Result]:
        @control_options(*url_flags)
        @wraps(command)
        def with_client(
            *,
            data_dir: str | None,
            server_url: str | None,
            api_key: str | None,
            **given: Any,
        ) -> Result:
            with opened_control(data_dir, server_url, api_key) as client:
                return command(client, **given)  # type: ignore[call-arg]

        return with_client

    return decorate


URL_FLAGS: Final = ("--url", "--server")
controlled = controlled_with(*URL_FLAGS)


@contextmanager
def opened_control(
    data_dir: str | None,
    url: str | None,
    key: str | None,
    variables: Mapping[str, str] = os.environ,
) -> Iterator[ControlClient]:
    """A flag beats a variable, also one for the other place. Raises InvalidArgument."""
    if url is not None and data_dir is not None:
        raise InvalidArgument("--url, --data: name one of the two, a server or a data directory")
    if url is None and data_dir is None:
        url = variables.get(URL_VARIABLE)
    if url is not None:
        yield remote_control(url, key or variables.get(KEY_VARIABLE))
        return
    if key is not None:
        raise InvalidArgument(f"--key: is for a server; name it with --url or {URL_VARIABLE}")
    # Imported here: a remote command needs neither a store nor a server of its own.
    from fairlot.cli.data import existing_store
    from fairlot.cli.in_process import in_process_transport

    with (
        existing_store(data_dir) as (settings, store),
        in_process_transport(settings, store) as transport,
    ):
        yield ControlClient(transport)


def remote_control(url: str, key: str | None) -> ControlClient:
    """Raises InvalidArgument for what is no URL of a server, or no key."""
    origin = _checked_origin(url)
    if not key:
        raise InvalidArgument(f"{url}: needs an API key; set {KEY_VARIABLE} to one of that server")
    if not key.startswith("fx_key_") or not key.isascii() or not key.isprintable():
        raise InvalidArgument(
            "the API key (not shown) is none: it begins with fx_key_, as it was printed when it was"
            " made"
        )
    parts = urlsplit(origin)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        print_note(f"{origin}: the key goes there unencrypted; use https:// outside a private net")
    return ControlClient(UrllibTransport(), origin, key)


def _checked_origin(url: str) -> str:
    fix = "name a server as in https://fairlot.example"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidArgument(f"--url: {url!r}: {error}; {fix}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidArgument(f"--url: {url!r}: {fix}")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidArgument(f"--url: has a user, a query or a fragment; {fix}")
    return url.rstrip("/")


def _pause_after(error: FairlotError) -> float | None:
    if isinstance(error, ControlRefused) and error.status == 503:
        return error.retry_after_s
    return None


def _retry_after_s(response: HttpResponse) -> float | None:
    """In whole seconds, as our servers say it."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


def _kind_of(response: HttpResponse) -> str:
    return response.headers.get("content-type", "no content type")


def _problem_in(response: HttpResponse) -> Mapping[str, Any] | None:
    """The RFC 9457 problem of an answer; None when it is something else."""
    if not _kind_of(response).startswith("application/problem+json"):
        return None
    try:
        found = json.loads(response.body)
    except ValueError:
        return None
    whole = isinstance(found, dict) and {"code", "detail"} <= found.keys()
    return found if whole else None
