from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from fairlot import app
from fairlot.store import store_as_it_is
from fairlot.store.migrations import LATEST
from fairlot.store.schema import revision_of
from support.audit_tampering import drop_triggers
from support.commands import Run
from support.postgres import Cluster

Revision = Callable[[], str | None]


@pytest.fixture
def revision(database_url: str | None) -> Revision:
    """What the database has, read without bringing it up to date."""

    def read() -> str | None:
        with store_as_it_is(Path(".fairlot"), database_url) as (_, connection):
            return revision_of(connection)

    return read


def test_migrate__up_to_date__says_so(shop: Run) -> None:
    ran = shop("migrate")
    assert ran.code == 0, ran.err
    assert f"has revision {LATEST} already" in ran.out
    document = shop("migrate", "--check", "--json").json
    assert document.pop("place")
    profiles = document.pop("profiles")
    assert profiles in (None, {"before": 2, "version": 2, "latest": 2})
    assert document == {"before": LATEST, "revision": LATEST, "latest": LATEST}


def test_migrate__profiles__down_and_up(shop: Run) -> None:
    assert shop("profiles", "list").code == 0
    refused = shop("migrate", "--profiles-to", "1", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "not_confirmed")
    down = shop("migrate", "--profiles-to", "1", "--yes")
    assert down.out.endswith(": from profiles 2 to 1.\n")
    checked = shop("migrate", "--check", "--json")
    assert (checked.code, checked.json["error"]["code"]) == (1, "store_not_up_to_date")
    assert (checked.json["error"]["profiles"], checked.json["error"]["latest"]) == (1, 2)
    assert shop("migrate", "--to", LATEST).out.endswith(": has profiles 1 already.\n")
    assert shop("migrate").out.endswith(": from profiles 1 to 2.\n")
    assert shop("migrate", "--check", "--json").json["profiles"] == {
        "before": 2,
        "version": 2,
        "latest": 2,
    }
    assert shop("profiles", "list").code == 0


def test_migrate__down_and_up__goes_and_says_so(shop: Run, revision: Revision) -> None:
    ran = shop("migrate", "--to", "0003", "--yes")
    assert ran.code == 0, ran.err
    assert f": from revision {LATEST} to 0003.\n" in ran.out
    assert revision() == "0003"
    checked = shop("migrate", "--check", "--json")
    assert (checked.code, checked.json["error"]["code"]) == (1, "store_not_up_to_date")
    assert checked.json["error"]["latest"] == LATEST
    assert revision() == "0003"
    assert f": from revision 0003 to {LATEST}.\n" in shop("migrate").out
    assert revision() == LATEST


@pytest.mark.parametrize("words", [("--to", "0004"), (), None])
def test_migrate__from_before_the_audit_log__begins_it(
    shop: Run, words: tuple[str, ...] | None
) -> None:
    assert shop("migrate", "--to", "0003", "--yes").code == 0
    if words is not None:
        assert shop("migrate", *words).code == 0
    ran = shop("audit", "verify")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Intact: 1 record(s), the first of them audit.begin.\n")


def test_migrate__with_all_records_removed__begins_no_new_audit_log(
    shop: Run, database_url: str | None
) -> None:
    assert shop("migrate", "--to", "0004", "--yes").code == 0
    with store_as_it_is(Path(".fairlot"), database_url) as (_, connection):
        drop_triggers(connection)
        connection.execute(text("DELETE FROM audit_records"))
        connection.execute(text("DELETE FROM audit_heads"))
    assert shop("migrate").code == 0
    ran = shop("audit", "verify")
    assert ran.code == 1
    assert "record 0: there is no record, though every organization has some" in ran.err


def test_migrate__from_before_the_audit_log__without_the_secret_changes_nothing(
    shop: Run, revision: Revision
) -> None:
    assert shop("migrate", "--to", "0003", "--yes").code == 0
    Path(".fairlot", "secret.key").rename("elsewhere.key")
    refused = shop("migrate", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "store_wrong_secret")
    assert revision() == "0003"


def test_migrate__down__asks_first(shop: Run, revision: Revision) -> None:
    for words in ((), ("--json",)):
        refused = shop("migrate", "--to", "0003", *words)
        assert refused.code == 1
        assert "add --yes" in refused.err + refused.out
    declined = shop("migrate", "--to", "0003", typed="n\n")
    assert "nothing was changed" in declined.err
    assert revision() == LATEST
    assert shop("migrate", "--to", "0003", typed="y\n").code == 0
    assert revision() == "0003"


def test_migrate__unknown_revision__is_wrong_usage(shop: Run) -> None:
    ran = shop("migrate", "--to", "0000")
    assert ran.code == 2
    assert LATEST in ran.err


def test_migrate__while_a_server_runs__is_refused(shop: Run, revision: Revision) -> None:
    with app.serve_lock(Path(".fairlot")):
        ran = shop("migrate", "--to", "0003", "--yes")
    assert ran.code == 1
    assert "already serving" in ran.err
    assert revision() == LATEST


@pytest.mark.parametrize("database_url", [None])
@pytest.mark.parametrize("words", [(), ("--check",), ("--to", LATEST)])
def test_migrate__nothing_there__is_an_error_and_makes_nothing(
    run: Run, words: tuple[str, ...]
) -> None:
    ran = run("migrate", *words)
    assert ran.code == 1
    assert "no Fairlot data here" in ran.err
    assert not Path(".fairlot").exists()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", [None])
def test_migrate__new_postgresql_database__gets_its_tables(
    run: Run, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.new_database() as url:
        monkeypatch.setenv("FAIRLOT_DATABASE_URL", url)
        assert run("migrate", "--check").code == 1
        assert run("migrate").out.endswith(f": from revision none to {LATEST}.\n")
        assert run("init", "--data-only").code == 0
