"""A folder on a static host: a client decides from it, and keys are exchanged meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client
from fairlot.manifest import RefusalReason
from fairlot.manifest.errors import ManifestRefused
from support.processes import fairlot, published

pytestmark = pytest.mark.slow

HERO = "key: hero\nname: {name}\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/manifest.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Shop:
    def __init__(self, folder: Path, database_url: str | None) -> None:
        self.variables: dict[str, Any] = {"FAIRLOT_DATABASE_URL": database_url}
        self.data, self.experiments = folder / "data", folder / "experiments"
        self.experiments.mkdir()
        self.public = folder / "public"

    def run(self, *words: str) -> Any:
        return fairlot(*words, "--data", str(self.data), **self.variables)

    def apply(self, name: str) -> None:
        (self.experiments / "hero.yaml").write_text(HERO.format(name=name))
        published(self.data, self.experiments, **self.variables)

    def export(self) -> int:
        version: int = self.run("publish", "--static", str(self.public))["written"]
        return version


def test_static_host__through_rotations_and_a_revocation__a_client_follows(
    tmp_path: Path, new_database_url: str | None
) -> None:
    shop = Shop(tmp_path, new_database_url)
    shop.apply("Hero")
    assert shop.export() == 1
    told: list[Exception] = []
    with static_host(shop.public) as url:
        # An interval of a moment: whoever refreshes may fetch the keys each time.
        client = Client(url, refresh_interval_s=0.01, on_refresh_error=told.append)
        assert client.init()

        def follows(version: int) -> bool:
            assert client.refresh(), told
            result = client.treatment("hero", "anna")
            return (result.manifest_version, result.variant_key is None) == (version, False)

        assert follows(1)
        shop.run("signing-keys", "rotate", "--force")
        assert shop.export() == 2
        assert follows(2)
        shop.run("signing-keys", "retire", "--force")
        assert shop.export() == 3
        assert follows(3)
        (to,) = [
            key["kid"] for key in shop.run("signing-keys", "list")["keys"] if key["state"] == "next"
        ]
        shop.run("signing-keys", "rotate", "--force", "--to", to)
        assert shop.export() == 4
        assert follows(4)
        assert told == []

        old = (shop.public / "manifest.json").read_bytes()
        shop.run("manifest", "revoke", "4", "--reason", "test")
        assert shop.export() == 5
        assert follows(5)
        client.close()  # which might refresh, and be told of the old one too
        (shop.public / "manifest.json").write_bytes(old)
        new = Client(url, on_refresh_error=told.append)
        assert not new.init()
        (refused,) = told
        assert isinstance(refused, ManifestRefused)
        assert refused.reason is RefusalReason.REVOKED
        new.close()
