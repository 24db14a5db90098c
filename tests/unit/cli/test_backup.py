from pathlib import Path

import pytest

from fairlot import app
from support.commands import Run
from support.postgres import Cluster


def version_of(run: Run, *words: str) -> int:
    found: int = run("manifest", "show", "--json", *words).json["version"]
    return found


def test_backup_and_restore__shop__goes_on(shop: Run, database_url: str | None) -> None:
    before = version_of(shop)
    copied = shop("backup", "copy")
    assert copied.code == 0, copied.err
    assert copied.out.startswith(f"Copied {3 if database_url is None else 1} file(s), ")
    assert ("back it up with pg_dump" in copied.err) is (database_url is not None)
    restored = shop("restore", "copy", "--replace")
    assert restored.code == 0, restored.err
    first, kept, _, row = restored.out.splitlines()
    assert first.endswith(" to .fairlot.")
    assert kept.startswith("What was there is in .fairlot.replaced-20")
    # The file that is replaced knows what was published last; PostgreSQL may itself be restored.
    after = before + (1 if database_url is None else 1001)
    assert row.split() == ["default/default", str(before), str(after)]
    assert version_of(shop) == after
    assert shop("audit", "verify").code == 0


def test_restore__to_another_directory__is_told_in_json(shop: Run) -> None:
    made = shop("backup", "copy", "--json").json
    assert made["folder"] == "copy"
    assert {file["path"] for file in made["files"]} <= {"fairlot.db", "profiles.db", "secret.key"}
    before = version_of(shop)
    done = shop("restore", "copy", "--data", "other", "--above", 70, "--json").json
    assert done == {
        "dataDirectory": "other",
        "backup": made["createdAt"],
        "keptAside": None,
        "projects": [{"org": "default", "project": "default", "restored": before, "published": 71}],
    }
    assert version_of(shop, "--data", "other") == 71


def test_restore__directory_in_use__is_refused(shop: Run) -> None:
    shop("backup", "copy")
    assert "add --replace" in shop("restore", "copy").err
    with app.serve_lock(Path(".fairlot")):
        assert "already serving" in shop("restore", "copy", "--replace").err


def test_backup__of_nothing_or_to_what_is_there__is_refused(shop: Run, tmp_path: Path) -> None:
    ran = shop("backup", "copy", "--data", "typo")
    assert "no Fairlot data here" in ran.err
    assert not (tmp_path / "typo").exists() and not (tmp_path / "copy").exists()
    shop("backup", "copy")
    assert "is there already" in shop("backup", "copy").err


def test_backup__with_a_secret__says_that_it_is_not_in_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLOT_SECRET", "a secret of the operator")
    run("init", "--data-only")
    assert "FAIRLOT_SECRET is not in the backup" in run("backup", "copy").err
    assert run("restore", "copy", "--data", "other").code == 0
    monkeypatch.setenv("FAIRLOT_SECRET", "another secret altogether")
    assert "not the secret it was made with" in run("restore", "copy", "--data", "third").err
    assert not Path("third").exists()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", [None])
def test_restore__postgresql_that_was_not_restored__is_refused(
    run: Run, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.new_database() as url:
        monkeypatch.setenv("FAIRLOT_DATABASE_URL", url)
        run("init", "--data-only")
        run("backup", "copy")
    with postgres.new_database() as url:
        monkeypatch.setenv("FAIRLOT_DATABASE_URL", url)
        assert "restore it with pg_restore" in run("restore", "copy", "--data", "other").err
        assert not Path("other").exists()
        assert run("migrate", "--check").code == 1
