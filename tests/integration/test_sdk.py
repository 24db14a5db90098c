"""The whole client against a real `fairlot serve`: from the first fetch to the rows of the log."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client, Reason
from fairlot.manifest import RefusalReason
from fairlot.sdk.transport import HttpRequest, HttpResponse, UrllibTransport
from fairlot.warehouse.log import read_conversions, read_exposures, read_identities, read_senders
from support.processes import ask, environment, fairlot, free_port, published, serving
from support.sdk_clients import a_request, cookies_of
from support.waiting import wait_for

pytestmark = pytest.mark.slow

HERO = "key: hero\nname: Hero\nvariants: [{key: control, name: A}, {key: bold, name: B}]\n"
MANUAL = HERO.replace("hero", "checkout") + "manualExposure: true\n"
SUBJECTS = [f"user-{number}" for number in range(50)]


@dataclass
class Shop:
    """A data directory with two experiments, and where its server listens while it runs."""

    folder: Path
    port: int = field(default_factory=free_port)
    token: str = ""
    key: str = ""

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def __post_init__(self) -> None:
        experiments = self.folder / "experiments"
        experiments.mkdir()
        (experiments / "hero.yaml").write_text(HERO)
        (experiments / "checkout.yaml").write_text(MANUAL)
        self.token = published(self.data_dir, experiments)
        created = fairlot("keys", "create", "--scope", "ingest", "--data", str(self.data_dir))
        self.key = created["key"]

    def publish(self, experiment: str) -> None:
        text = HERO.replace("hero", experiment)
        (self.folder / "experiments" / f"{experiment}.yaml").write_text(text)
        published(self.data_dir, self.folder / "experiments")

    @contextmanager
    def open(self) -> Iterator[None]:
        with serving(self.data_dir, port=self.port):
            yield

    def client(self, **options: Any) -> "Watched":
        return Watched(f"http://127.0.0.1:{self.port}/v1/default/manifest.json", self.key, options)

    def assigned(self, subject: str) -> Any:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            _, answer = ask(connection, "hero", self.token, subject, track_impression=False)
            return answer["variant_key"]


class Watched(Client):
    """A client whose answers from the server, and reports, are kept."""

    def __init__(self, url: str, key: str, options: dict[str, Any]) -> None:
        self.statuses: list[tuple[str, int]] = []
        self.told: list[Exception] = []
        self._send = UrllibTransport()
        plain: dict[str, Any] = {"api_key": key, "on_refresh_error": self.told.append}
        super().__init__(url, **plain | options, transport=self._watch)

    def _watch(self, request: HttpRequest) -> HttpResponse:
        response = self._send(request)
        self.statuses.append((request.url.rpartition("/")[2], response.status))
        return response


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_client__from_fetch_to_log__the_server_s_decisions_and_every_event(shop: Shop) -> None:
    with shop.open():
        with shop.client() as client:
            decided = {subject: client.exposure("hero", subject) for subject in SUBJECTS}
            for subject in SUBJECTS:
                assert decided[subject].variant_key == shop.assigned(subject)
                client.exposure("hero", subject)
                client.track("order", subject, value=20, properties={"items": 2})
            client.exposure("checkout", "anna")
            assert client.expose("checkout", "anna")
            client.identify("anna", "user-anna")
            assert client.flush()
            stats = client.stats()
            assert (stats.sent, stats.repeated, stats.queued) == (102, 50, 0)
            assert (stats.dropped, stats.rejected, dict(stats.faults)) == (0, 0, {})
        events = shop.data_dir / "events"
        exposures = {
            event.subject_id: event for event in read_exposures(events, experiment_key="hero")
        }
        assert {key: event.variant_key for key, event in exposures.items()} == {
            subject: result.variant_key for subject, result in decided.items()
        }
        one = exposures["user-7"]
        assert (one.reason, one.source, one.variant_id) == (
            Reason.BUCKET,
            "sdk-python",
            decided["user-7"].variant_id,
        )
        assert one.manifest_version == decided["user-7"].manifest_version
        conversions = list(read_conversions(events))
        assert sorted(event.subject_id for event in conversions) == sorted(SUBJECTS)
        assert {event.value for event in conversions} == {20.0}
        assert len(list(read_exposures(events, experiment_key="checkout"))) == 1
        assert [event.user_id for event in read_identities(events)] == ["user-anna"]
        assert [sender.lost_events for sender in read_senders(events)] == [0]


def test_client__unchanged_and_changed_manifest__304_then_the_new_one(shop: Shop) -> None:
    with shop.open(), shop.client() as client:
        first = client.manifest()
        assert first is not None
        client.statuses.clear()
        assert client.refresh()
        assert ("manifest.json", 304) in client.statuses
        assert client.treatment("price", "anna").reason is Reason.UNKNOWN
        shop.publish("price")
        client.statuses.clear()

        def is_there() -> bool:
            assert client.refresh()
            return client.treatment("price", "anna").variant_key is not None

        wait_for(is_there)
        assert ("manifest.json", 200) in client.statuses
        assert client.treatment("price", "anna").manifest_version == first.version + 1
        assert client.told == []


def test_client__sticky_cookie__round_trip_and_expired_when_it_is_gone(shop: Shop) -> None:
    with shop.open(), shop.client() as client:
        first = a_request()
        drawn = client.exposure("hero", "anna", first)
        (cookie,) = cookies_of(first)
        assert cookie == f"fx.hero={drawn.variant_key}"
        second = a_request(f"session=1; {cookie}; fx.gone=bold")
        assert client.exposure("hero", "anna", second).reason is Reason.STICKY
        assert cookies_of(second) == ["fx.gone="]


def test_server_stopped__client_and_a_new_process__decide_on(shop: Shop, tmp_path: Path) -> None:
    cache = tmp_path / "manifest.json"
    with shop.open(), shop.client(manifest_cache=cache) as client:
        decided = [client.treatment("hero", subject).variant_key for subject in SUBJECTS]
    client = shop.client(manifest_cache=cache)
    assert client.init()
    assert [client.treatment("hero", subject).variant_key for subject in SUBJECTS] == decided
    assert [type(error).__name__ for error in client.told] == ["ManifestUnavailable"]
    client.close()
    program = (
        "import sys; from fairlot import Client\n"
        "client = Client(sys.argv[1], manifest_cache=sys.argv[2])\n"
        "assert client.init()\n"
        "print(*[client.treatment('hero', f'user-{number}').variant_key for number in range(50)])\n"
    )
    url = f"http://127.0.0.1:{shop.port}/v1/default/manifest.json"
    ran = subprocess.run(
        [sys.executable, "-c", program, url, str(cache)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert ran.stdout.split() == decided
    assert ran.stderr.startswith("manifest_unavailable: ")


def test_server_stopped__flipped_byte_in_the_saved_manifest__refused_and_told(
    shop: Shop, tmp_path: Path
) -> None:
    cache = tmp_path / "manifest.json"
    with shop.open():
        shop.client(manifest_cache=cache).init()
    content = bytearray(cache.read_bytes())
    content[len(content) // 2] ^= 1
    cache.write_bytes(content)
    client = shop.client(manifest_cache=cache)
    assert not client.init()
    assert client.treatment("hero", "anna").reason is Reason.UNKNOWN
    names = [type(error).__name__ for error in client.told]
    assert names == ["ManifestCacheFault", "ManifestUnavailable"]
    client.close()


def test_server_set_back__lower_version__refused_and_told(shop: Shop, tmp_path: Path) -> None:
    older, cache = tmp_path / "older", tmp_path / "manifest.json"
    shutil.copytree(shop.data_dir, older)
    shop.publish("price")
    with shop.open(), shop.client(manifest_cache=cache) as client:
        assert client.treatment("price", "anna").variant_key is not None
    shutil.rmtree(shop.data_dir)
    older.rename(shop.data_dir)
    with shop.open(), shop.client(manifest_cache=cache) as client:
        assert client.treatment("price", "anna").variant_key is not None
        reasons = [getattr(error, "reason", None) for error in client.told]
        assert reasons == [RefusalReason.LOWER_VERSION]


def test_server_of_another_organization__unknown_key__refused_and_told(
    shop: Shop, tmp_path: Path
) -> None:
    cache, other = tmp_path / "manifest.json", tmp_path / "other"
    other.mkdir()
    with shop.open(), shop.client(manifest_cache=cache) as client:
        decided = client.treatment("hero", "anna").variant_key
    stranger = Shop(other, port=shop.port)
    with stranger.open(), shop.client(manifest_cache=cache) as client:
        assert client.treatment("hero", "anna").variant_key == decided
        reasons = [getattr(error, "reason", None) for error in client.told]
        assert reasons == [RefusalReason.UNTRUSTED_KEY]


def test_client__key_without_the_scope__events_kept_and_told(shop: Shop) -> None:
    created = fairlot("keys", "create", "--scope", "read", "--data", str(shop.data_dir))
    with shop.open(), shop.client(api_key=created["key"]) as client:
        client.track("order", "anna")
        assert not client.flush(20)
        assert client.stats().queued == 1
        assert "events_refused" in client.stats().faults
        assert client.treatment("hero", "anna").variant_key is not None
