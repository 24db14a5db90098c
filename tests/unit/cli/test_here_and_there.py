"""Audit, keys and versions of manifests: the same from afar as on the data directory."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.app import create_app
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.manifest.instants import write_instant
from fairlot.service.actors import Scope
from fairlot.settings import Settings
from fairlot.store import open_store
from fairlot.store.experiments import find_experiment
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.log import EventLog
from support.applying import tenant_of
from support.commands import Run
from support.live import serving
from support.two_arms import Place, exposed
from unit.warehouse.records import exposure


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


def test_profiles_export__no_profile__is_the_same_here_and_there(
    shop: Run, served: str, tmp_path: Path, database_url: str | None
) -> None:
    data = tmp_path / ".fairlot"
    with closing(open_store(data, None, database_url)) as store, store.reading() as connection:
        project_id = tenant_of(connection).id
    log = EventLog.open(data / "events")
    log.record(exposure("only-asked", project_id=project_id), None)
    log.close(5)
    words = ("profiles", "export", "only-asked")
    here, there = shop(*words), shop(*words, "--url", served)
    assert (there.code, there.out) == (0, here.out), there.err
    assert here.json["profile"] is None
    assert [each["subject_id"] for each in here.json["events"]] == ["only-asked"]


def planted(data: Path, database_url: str | None) -> str:
    """The first milliseconds of `checkout-button`, and the moment after them."""
    with closing(open_store(data, None, database_url)) as store, store.reading() as connection:
        tenant = tenant_of(connection)
        row = find_experiment(connection, tenant.id, "checkout-button")
    assert row is not None
    assert row.started_at_ms is not None
    place, start_ms = Place(tenant.id, row.id), row.started_at_ms
    events = (
        exposed(f"{variant}-{number}", variant, start_ms + number, place)
        for variant in ("control", "next-step")
        for number in range(40)
    )
    write_events(data / "events", events)
    return write_instant(start_ms + 100)


def test_report__here_and_there__has_the_same_figures_and_the_same_page(
    shop: Run, served: str, tmp_path: Path, database_url: str | None
) -> None:
    as_of = planted(tmp_path / ".fairlot", database_url)
    words = ("report", "checkout-button", "--as-of", as_of)
    here = shop(*words, "--html", "report.html")
    assert here.code == 0, here.err
    page = Path("report.html").read_bytes()
    there = shop(*words, "--html", "report.html", "--url", served)
    assert (there.code, there.out) == (0, here.out), there.err
    assert Path("report.html").read_bytes() == page
    arms = shop(*words, "--json", "--url", served).json["arms"]
    assert [each["exposed"] for each in arms] == [40, 40]


def test_report__of_what_a_server_does_not_have__says_the_nearest(shop: Run, served: str) -> None:
    ran = shop("report", "checkout-buton", "--url", served)
    assert ran.code == 1
    assert "did you mean checkout-button?" in ran.err


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
