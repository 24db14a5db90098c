"""A data directory, copied while it is written, put back, and everything that can be wrong."""

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fairlot.engine import Reason
from fairlot.events import Exposure, new_event_id
from fairlot.profiles import subject_identifier
from fairlot.service.backups.backing_up import BackupFailed, back_up
from fairlot.service.backups.contents import BrokenBackup, DatabaseKind
from fairlot.service.backups.copying import UnusableDatabase
from fairlot.service.backups.floors import GAP
from fairlot.service.backups.restoring import Restored, RestoreRefused, Target, restore
from fairlot.service.bootstrap import bootstrap
from fairlot.service.snapshot import load_snapshot
from fairlot.service.versions import revoke_version
from fairlot.store import WrongSecret, open_store
from fairlot.store.audit import read_audit_records
from fairlot.store.previews import add_revoked_preview
from fairlot.store.tenants import all_projects, organization_id
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.lake.gone import gone_exposures
from fairlot.warehouse.lake.joining import delete_old_files
from fairlot.warehouse.lake.layout import projects_in
from fairlot.warehouse.log import EventLog, read_exposures
from support.applying import ANNA, apply_texts, tenant_of
from support.experiment_texts import HEAD, VARIANTS
from support.profile_bench import profile_bench

NOW_MS = 1_795_413_600_000
HERE = ("default", "default")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose project is at version 1, with an exposure of it."""
    directory = tmp_path / "data"
    with closing(open_store(directory, None)) as store:
        bootstrap(store)
        apply_texts(store, HEAD + VARIANTS, now_ms=NOW_MS)
    record_exposure(directory, 1)
    return directory


def record_exposure(directory: Path, version: int) -> None:
    with closing(open_store(directory, None)) as store, store.reading() as connection:
        (project,) = all_projects(connection)
    log = EventLog.open(directory / "events")
    log.record(
        Exposure(
            new_event_id(NOW_MS),
            project.id,
            "exp_1",
            "e",
            "anna",
            "anna",
            "a",
            "var_1",
            version,
            1,
            Reason.BUCKET,
            NOW_MS,
            NOW_MS,
        ),
        None,
    )
    log.close(5)


def publish(directory: Path, name: str) -> int | None:
    with closing(open_store(directory, None)) as store:
        return apply_texts(
            store, HEAD.replace("name: E", f"name: {name}") + VARIANTS, now_ms=NOW_MS
        ).version


def version_in(directory: Path) -> int:
    with closing(open_store(directory, None)) as store:
        return load_snapshot(store).projects[HERE].version


def back_up_to(folder: Path, data: Path) -> Path:
    back_up(data, folder, DatabaseKind.SQLITE, now_ms=NOW_MS)
    return folder


def restore_from(folder: Path, data: Path, *, now_ms: int = NOW_MS, **options: Any) -> Restored:
    target = Target(data, **({"secret": None, "database_url": None} | options))
    return restore(folder, target, ANNA, now_ms=now_ms)


def revoke(directory: Path, version: int, reason: str) -> None:
    with closing(open_store(directory, None)) as store, store.writing() as connection:
        revoke_version(
            connection, tenant_of(connection), version, ANNA, now_ms=NOW_MS, reason=reason
        )


def revoke_previews(directory: Path, *tokens: tuple[str, int]) -> None:
    """Each an id and when it expires."""
    with closing(open_store(directory, None)) as store, store.writing() as connection:
        owner = tenant_of(connection).organization_id
        for jti, expires_at_ms in tokens:
            add_revoked_preview(connection, owner, jti, expires_at_ms, NOW_MS)


def refused_by_clients(directory: Path) -> object:
    with closing(open_store(directory, None)) as store:
        return json.loads(load_snapshot(store, now_ms=NOW_MS).revocations["default"])


def last_record(directory: Path) -> dict[str, Any]:
    """Its details."""
    with closing(open_store(directory, None)) as store, store.reading() as connection:
        owner = tenant_of(connection).organization_id
        (record,) = read_audit_records(connection, owner, limit=1)
    details: dict[str, Any] = json.loads(record.details)
    return details


def everything_in(directory: Path) -> dict[str, bytes]:
    """All files but those that a reader of a database makes beside it."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_back_up__data_directory__is_whole_private_and_checked(tmp_path: Path, data: Path) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    listed = json.loads((folder / "backup.json").read_bytes())
    assert [file["path"] for file in listed["files"]] == [
        "events/worker-0.sqlite",
        "fairlot.db",
        "secret.key",
    ]
    assert (listed["format"], listed["database"]) == (1, "sqlite")
    assert listed["createdAt"] == "2026-11-23T06:00:00.000Z"
    ran = subprocess.run(
        ["sha256sum", "--check", "--strict"],
        input="".join(f"{each['sha256']}  {each['path']}\n" for each in listed["files"]),
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_back_up__while_it_is_written__is_of_one_moment(tmp_path: Path, data: Path) -> None:
    """Two numbers that are always written together are together in every copy."""
    written = threading.Event()
    stop = threading.Event()

    def write() -> None:
        with closing(open_store(data, None)) as store:
            while not stop.is_set():
                with store.writing() as connection:
                    connection.execute(text("UPDATE serving SET generation = generation + 1"))
                    connection.execute(
                        text(
                            "UPDATE organizations SET created_at_ms ="
                            " (SELECT generation FROM serving)"
                        )
                    )
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(30)
    copies = [back_up_to(tmp_path / f"backup-{number}", data) for number in range(10)]
    stop.set()
    writer.join()
    seen = set()
    for folder in copies:
        with closing(sqlite3.connect(folder / "fairlot.db")) as copy:
            query = "SELECT generation, created_at_ms FROM serving, organizations"
            ((generation, created_at_ms),) = copy.execute(query)
            assert generation == created_at_ms
            seen.add(generation)
    assert len(seen) > 1


def test_back_up__folder_is_there__is_refused(tmp_path: Path, data: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupFailed, match="is there already"):
        back_up_to(tmp_path / "backup", data)
    assert list((tmp_path / "backup").iterdir()) == []


def test_back_up__no_folder_can_be_there__says_why(tmp_path: Path, data: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupFailed, match="cannot be written"):
        back_up_to(tmp_path / "file" / "backup", data)


@pytest.mark.parametrize("damaged", ["fairlot.db", "events/worker-0.sqlite"])
def test_back_up__damaged_database__is_an_error_and_leaves_nothing(
    tmp_path: Path, data: Path, damaged: str
) -> None:
    (data / damaged).write_bytes(b"rubbish" * 4000)
    with pytest.raises(UnusableDatabase, match=damaged):
        back_up_to(tmp_path / "backup", data)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_restore__to_an_absent_directory__has_everything_and_goes_on_far_above(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    done = restore_from(folder, tmp_path / "deep" / "new")
    (project,) = done.projects
    assert (project.restored, project.published, done.kept_aside) == (1, 1 + GAP + 1, None)
    assert version_in(tmp_path / "deep" / "new") == 1 + GAP + 1
    assert len(list(read_exposures(tmp_path / "deep" / "new" / "events"))) == 1
    assert (tmp_path / "deep" / "new").stat().st_mode & 0o777 == 0o700


def test_backup__of_compacted_events__restores_each_once_with_what_others_put_there(
    tmp_path: Path, data: Path
) -> None:
    events = data / "events"
    kept = exposures_in(data)
    write_events(events, kept)  # as a compaction does before it deletes the rows
    (path,) = events.rglob("*.parquet")
    shutil.copy(path, path.with_name("theirs, copied.parquet"))
    path.with_name(".00000002.parquet.partial").write_bytes(b"half")
    folder = back_up_to(tmp_path / "backup", data)
    assert {each.stat().st_mode & 0o077 for each in folder.rglob("*")} == {0}
    restore_from(folder, tmp_path / "new")
    assert sorted(each.name for each in (tmp_path / "new").rglob("*.parquet*")) == [
        "00000001.parquet",
        "theirs, copied.parquet",
    ]
    assert exposures_in(tmp_path / "new") == kept


def exposures_in(directory: Path) -> list[Exposure]:
    return list(read_exposures(directory / "events"))


def test_backup__of_a_lake_that_lost_old_days__still_knows_what_they_had(
    tmp_path: Path, data: Path
) -> None:
    events = data / "events"
    write_events(events, exposures_in(data))
    assert delete_old_files(events, now_ms=NOW_MS + 9 * 86_400_000, days=1) == 1
    (project_id,) = projects_in(events)
    restore_from(back_up_to(tmp_path / "backup", data), tmp_path / "new")
    (gone,) = gone_exposures(tmp_path / "new" / "events", project_id)
    assert gone.exposures == 1


def test_restore__in_place_of_another__keeps_it_and_goes_on_after_its_last_version(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    assert publish(data, "Later") == 2
    before = everything_in(data)
    with pytest.raises(RestoreRefused, match=r"not empty.*--replace"):
        restore_from(folder, data)
    assert everything_in(data) == before
    done = restore_from(folder, data, replace=True)
    assert (done.projects[0].restored, done.projects[0].published) == (1, 3)
    assert done.kept_aside == tmp_path / "data.replaced-20261123T060000Z"
    assert everything_in(done.kept_aside) == before
    with closing(open_store(data, None)) as store:
        (served,) = load_snapshot(store).projects[HERE].compiled.manifest.experiments
    assert getattr(served, "name", None) == "E"


def test_restore__in_place_of_another__what_was_revoked_since_stays_revoked(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    publish(data, "Later")
    revoke(data, 2, "stolen")
    publish(data, "Later still")
    revoke(data, 1, "wrong price")
    revoke_previews(data, ("prv_long", NOW_MS + 2000), ("prv_over", NOW_MS))
    done = restore_from(folder, data, replace=True)
    assert (done.projects[0].restored, done.projects[0].published) == (1, 5)
    assert refused_by_clients(data) == {"revoked": {"default": [1, 2]}, "previews": ["prv_long"]}
    assert last_record(data)["revoked"] == [1, 2]
    assert publish(data, "Anew") == 6
    restore_from(folder, data, replace=True, now_ms=NOW_MS + 1000)
    assert refused_by_clients(data) == {"revoked": {"default": [1, 2]}, "previews": ["prv_long"]}


def test_restore__other_database_is_of_an_earlier_version__has_its_versions_and_what_it_revoked(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    publish(data, "Later")
    revoke(data, 2, "stolen")
    with closing(open_store(data, None)) as store, store.writing() as connection:
        connection.execute(text("DROP TABLE revocations"))
        connection.execute(text("DROP TABLE revoked_previews"))
    assert restore_from(folder, data, replace=True).projects[0].published == 4
    assert refused_by_clients(data) == {"revoked": {"default": [2]}, "previews": []}


def test_restore__database_of_the_other_is_lost__asks_its_event_log(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    record_exposure(data, 40)
    (data / "fairlot.db").write_bytes(b"rubbish" * 4000)
    done = restore_from(folder, data, replace=True)
    assert done.projects[0].published == 40 + GAP + 1


def test_restore__event_log_of_the_other_is_lost_too__goes_on_far_above_the_backup(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    (data / "fairlot.db").unlink()
    (data / "events" / "worker-0.sqlite").write_bytes(b"rubbish" * 4000)
    assert restore_from(folder, data, replace=True).projects[0].published == 1 + GAP + 1


def test_restore__above_what_the_operator_knows__leaves_no_gap(tmp_path: Path, data: Path) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    assert restore_from(folder, tmp_path / "new", above=50).projects[0].published == 51


def test_restore__is_on_record(tmp_path: Path, data: Path) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    restore_from(folder, tmp_path / "new")
    with closing(open_store(tmp_path / "new", None)) as store, store.reading() as connection:
        owner = organization_id(connection, "default")
        assert owner is not None
        last = read_audit_records(connection, owner, limit=1000, after=0)[-1]
    assert (last.actor, last.action) == ("local:anna", "project.restore")
    assert json.loads(last.details) == {
        "backup": "2026-11-23T06:00:00.000Z",
        "published": 1002,
        "restored": 1,
    }


def one_byte_changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rewritten(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        document = json.loads((folder / "backup.json").read_bytes())
        change(document)
        (folder / "backup.json").write_text(json.dumps(document))

    return rewrite


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: one_byte_changed(folder / "fairlot.db"), "another checksum"),
        (lambda folder: one_byte_changed(folder / "secret.key"), "another checksum"),
        (lambda folder: one_byte_changed(folder / "events/worker-0.sqlite"), "another checksum"),
        (lambda folder: (folder / "secret.key").unlink(), "is missing"),
        (lambda folder: (folder / "backup.json").unlink(), "no whole backup"),
        (lambda folder: (folder / "backup.json").write_text("{"), "is not what"),
        (rewritten(lambda document: document.update(format=2)), "is not what"),
        (
            rewritten(lambda document: document["files"][0].update(path="../../etc/passwd")),
            "is not what",
        ),
    ],
)
def test_restore__backup_that_is_not_as_it_was_made__is_refused_and_changes_nothing(
    tmp_path: Path, data: Path, spoil: Callable[[Path], None], told: str
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    spoil(folder)
    before = everything_in(data)
    with pytest.raises(BrokenBackup, match=told):
        restore_from(folder, data, replace=True)
    with pytest.raises(BrokenBackup):
        restore_from(folder, tmp_path / "new")
    assert everything_in(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_restore__secret_is_another__is_refused_and_changes_nothing(
    tmp_path: Path, data: Path
) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    before = everything_in(data)
    with pytest.raises(WrongSecret):
        restore_from(folder, data, replace=True, secret="another secret altogether")
    assert everything_in(data) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_restore__database_is_elsewhere__is_refused(tmp_path: Path, data: Path) -> None:
    folder = back_up_to(tmp_path / "backup", data)
    with pytest.raises(RestoreRefused, match="unset it"):
        restore_from(folder, tmp_path / "new", database_url="postgresql://db/shop")
    back_up(data, tmp_path / "files", DatabaseKind.POSTGRESQL, now_ms=NOW_MS)
    with pytest.raises(RestoreRefused, match="restore that with pg_restore"):
        restore_from(tmp_path / "files", tmp_path / "new")
    assert not (tmp_path / "new").exists()


# Does what it is told, and is killed before it renames a folder into its place.
KILLED = """
import os, signal, sys
from pathlib import Path
from fairlot.cli import main
Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_backup_and_restore__killed_half_way__leave_what_was_there(
    tmp_path: Path, data: Path
) -> None:
    def killed(*words: object) -> None:
        command = [sys.executable, "-c", KILLED, *map(str, words), "--data", str(data)]
        assert subprocess.run(command, timeout=180, check=False).returncode == -signal.SIGKILL

    killed("backup", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    folder = back_up_to(tmp_path / "whole", data)
    killed("restore", folder, "--replace")
    assert version_in(data) == 1
    for partial in tmp_path.glob(".*.partial-*"):
        shutil.rmtree(partial)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "whole"]


def test_restore__profiles__come_back_as_they_were(tmp_path: Path, data: Path) -> None:
    with profile_bench(data, None) as bench:
        before = asyncio.run(bench.happen("anna", "view")).profile
        contents = back_up(data, tmp_path / "backup", DatabaseKind.SQLITE, now_ms=NOW_MS)
        asyncio.run(bench.happen("bert", "view"))
    assert "profiles.db" in [each.path for each in contents.files]
    target = Target(tmp_path / "restored", None, None)
    restore(tmp_path / "backup", target, ANNA, now_ms=NOW_MS)
    with profile_bench(tmp_path / "restored", None) as bench:
        assert bench.stored(subject_identifier("anna")) == before
        assert bench.stored(subject_identifier("bert")) is None
