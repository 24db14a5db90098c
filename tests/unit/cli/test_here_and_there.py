"""Audit, keys and versions of manifests: the same from afar as on the data directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.app import create_app
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.service.actors import Scope
from fairlot.settings import Settings
from support.commands import Run
from support.live import serving


@pytest.fixture
def served(
    shop: Run, tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The URL of a server over the data directory of `shop`."""
    scopes = [word for scope in Scope for word in ("--scope", scope)]
    monkeypatch.setenv("FAIRLOT_API_KEY", shop("keys", "create", *scopes, "--json").json["key"])
    settings = Settings(
        data_dir=tmp_path / ".fairlot", database_url=database_url, poll_interval_s=0.05
    )
    with capture_logs(), serving(create_app(settings), BoundedHttpProtocol) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "list"),
        ("audit", "list", "--oldest", "--limit", "2"),
        ("audit", "verify"),
        ("audit", "export"),
        ("signing-keys", "list"),
        ("signing-keys", "announce"),
        ("manifest", "list"),
        ("manifest", "show"),
        ("manifest", "show", "0"),
        ("manifest", "diff"),
        ("manifest", "verify"),
        ("publish",),
    ],
    ids=" ".join,
)
def test_command__here_and_there__prints_the_same(
    shop: Run, served: str, words: tuple[str, ...]
) -> None:
    here, there = shop(*words), shop(*words, "--url", served)
    assert (there.code, there.out) == (0, here.out), there.err


def test_changes__made_from_afar__are_on_record_under_the_key(shop: Run, served: str) -> None:
    far = ("--url", served, "--json")
    assert shop("signing-keys", "rotate", "--force", *far).json["changed"]
    assert shop("manifest", "revoke", 2, "--reason", "test", *far).json["published"] == 3
    assert shop("signing-keys", "retire", "--force", *far).json["changed"]
    records = shop("audit", "list", "--limit", 3, "--action", "manifest.publish", *far).json
    assert all(record["actor"].startswith("key:") for record in records["records"])
    assert shop("publish", "--static", "static", *far).json["written"] == 4
    assert (
        shop("manifest", "verify", "static/manifest.json", "--jwks", "static/jwks.json").code == 0
    )
    assert shop("audit", "verify").code == 0
