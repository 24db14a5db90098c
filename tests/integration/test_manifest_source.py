"""The SDK's manifest source against our own server, over sockets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fairlot.engine import CompiledManifest
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.http.routes import serve_routes
from fairlot.manifest import ManifestRefused
from fairlot.sdk.clock import SystemClock
from fairlot.sdk.endpoints import Endpoints
from fairlot.sdk.errors import ManifestUnavailable
from fairlot.sdk.source import ManifestSource
from fairlot.sdk.transport import HttpRequest, HttpResponse, UrllibTransport
from fairlot.service.actors import SYSTEM
from fairlot.service.bootstrap import bootstrap
from fairlot.service.key_rotation import rotate_keys
from fairlot.service.snapshot import Snapshot, load_snapshot
from fairlot.store import Store, open_store
from fairlot.store.tenants import find_organization
from support.applying import apply_texts
from support.asgi import Application, Message
from support.credentials import create_key
from support.live import serving
from support.serving import Desk, a_desk

pytestmark = pytest.mark.slow

NOW_MS = 1_795_413_600_000
YAML = "key: {key}\nname: Button\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"
Change = Callable[[Snapshot], Snapshot]


@dataclass
class Server:
    """Our routes over a store, in a thread of this process."""

    store: Store
    desk: Desk
    port: int

    def apply(self, key: str) -> None:
        apply_texts(self.store, YAML.format(key=key), now_ms=NOW_MS)
        self.serve()

    def revoke(self, version: int) -> None:
        with self.store.writing() as connection:
            statement = text("UPDATE manifests SET revoked_at_ms = 1 WHERE version = :version")
            connection.execute(statement, {"version": version})
        self.serve()

    def rotate(self) -> None:
        with self.store.writing() as connection:
            organization = find_organization(connection, "default")
            assert organization is not None
            rotate_keys(connection, organization, SYSTEM, now_ms=NOW_MS, wait_s=0)
        self.serve()

    def serve(self, change: Change = lambda snapshot: snapshot) -> None:
        generation = self.desk.shelf.snapshot.generation + 1
        self.desk.publish(change(replace(load_snapshot(self.store), generation=generation)))


@pytest.fixture
def server(tmp_path: Path, database_url: str | None) -> Iterator[Server]:
    store = open_store(tmp_path, "a secret of the operator", database_url)
    assert bootstrap(store, now_ms=NOW_MS) is not None
    with (
        a_desk(tmp_path, load_snapshot(store)) as desk,
        serving(_living(serve_routes(desk.services)), BoundedHttpProtocol) as port,
    ):
        yield Server(store, desk, port)
    store.close()


class Watched:
    """A source whose answers, manifests and reports are kept."""

    def __init__(
        self, server: Server, path: str = "/v1/default/manifest.json", **options: Any
    ) -> None:
        self.accepted: list[CompiledManifest | None] = []
        self.reports: list[Exception] = []
        self.statuses: list[tuple[str, int]] = []
        self._transport = UrllibTransport()
        self.source = ManifestSource(
            Endpoints.of(f"http://127.0.0.1:{server.port}{path}"),
            transport=self._send,
            clock=SystemClock(),
            refresh_interval_s=30.0,
            timeout_s=5.0,
            accept=self.accepted.append,
            report=self.reports.append,
            **options,
        )

    def _send(self, request: HttpRequest) -> HttpResponse:
        answer = self._transport(request)
        self.statuses.append((request.url.rsplit("/", 2)[-2], answer.status))
        return answer


def keys_of(manifest: CompiledManifest | None) -> set[str]:
    return set() if manifest is None else set(manifest.experiments)


def test_source__our_server__is_fetched_then_confirmed_then_replaced(server: Server) -> None:
    server.apply("button")
    watched = Watched(server)
    assert watched.source.init()
    assert watched.source.refresh()
    assert watched.statuses == [
        ("default", 200),
        ("revocations", 200),
        ("jwks", 200),
        ("default", 304),
        ("revocations", 304),
    ]
    server.apply("hero")
    assert watched.source.refresh()
    assert list(map(keys_of, watched.accepted)) == [{"button"}, {"button", "hero"}]
    assert watched.reports == []


def test_source__manifest_of_our_server__lists_the_keys_of_the_organization(
    server: Server,
) -> None:
    server.apply("button")
    watched = Watched(server)
    watched.source.init()
    (accepted,) = watched.accepted
    assert accepted is not None
    assert accepted.manifest.keys == tuple(key["kid"] for key in watched.source.keys["keys"])


def test_source__organization_that_changes_its_key__is_followed(server: Server) -> None:
    server.apply("button")
    watched = Watched(server)
    watched.source.init()
    server.rotate()
    server.apply("hero")
    assert watched.source.refresh()
    assert keys_of(watched.accepted[-1]) == {"button", "hero"}
    assert watched.reports == []


def test_source__version_in_use_revoked__goes_back(server: Server) -> None:
    server.apply("button")
    watched = Watched(server)
    watched.source.init()
    server.apply("hero")
    watched.source.refresh()
    server.revoke(2)
    assert not watched.source.refresh()
    assert keys_of(watched.accepted[-1]) == {"button"}
    (report,) = watched.reports
    assert isinstance(report, ManifestRefused)
    assert watched.source.refresh()


def test_source__no_such_project__is_a_404(server: Server) -> None:
    watched = Watched(server, "/v1/default/nothing/manifest.json")
    assert not watched.source.init()
    (report,) = watched.reports
    assert isinstance(report, ManifestUnavailable)
    assert report.status == 404


@pytest.mark.parametrize(
    ("scope", "is_read"), [("read", True), ("decide", True), ("ingest", False)]
)
def test_source__private_manifest__is_read_with_a_key_that_may(
    server: Server, scope: str, is_read: bool
) -> None:
    server.apply("button")
    key = create_key(server.store, "default", scopes=[scope]).text

    def hide(snapshot: Snapshot) -> Snapshot:
        hidden = {
            names: replace(project, private=True) for names, project in snapshot.projects.items()
        }
        return replace(snapshot, projects=hidden)

    server.serve(hide)
    assert not Watched(server).source.init()
    assert Watched(server, api_key=key).source.init() == is_read


def _living(routes: Application) -> Application:
    """The routes with an answer to the lifespan events, which the whole application gives."""

    async def serve(scope: Message, receive: Any, send: Any) -> None:
        while scope["type"] == "lifespan":
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
        await routes(scope, receive, send)

    return serve
