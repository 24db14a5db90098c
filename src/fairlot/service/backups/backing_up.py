"""A backup of a data directory, while it is served or not."""

from importlib.metadata import version
from pathlib import Path

import msgspec

from fairlot.engine import FairlotError
from fairlot.manifest.instants import write_instant
from fairlot.service.backups.contents import (
    CONTENTS_FILE,
    FORMAT,
    BackedUpFile,
    BackupContents,
    DatabaseKind,
)
from fairlot.service.backups.copying import copy_database, copy_file, make_folders, sha256_of, sync
from fairlot.service.backups.staging import put_in_place, staging
from fairlot.store.profiles import PROFILES_FILE
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.vault import KEY_FILE
from fairlot.warehouse.lake.gone import GONE_FILE
from fairlot.warehouse.lake.layout import all_partitions, files_in
from fairlot.warehouse.lake.locks import reading


class BackupFailed(FairlotError):
    """Nothing was written, or nothing of it was kept."""

    code = "backup_failed"

    def __init__(self, path: Path, problem: str, fix: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}; {fix}")


def back_up(data_dir: Path, folder: Path, database: DatabaseKind, *, now_ms: int) -> BackupContents:
    """Copy the data directory into a new `folder`, all of it or nothing.

    What profiles say of events is in the event log before, and what events name in the database:
    so they are copied in that order. Raises BackupFailed and UnusableDatabase.
    """
    if folder.exists():
        raise BackupFailed(folder, "is there already", "name a folder that is not")
    try:
        with staging(folder) as partial:
            if database is DatabaseKind.SQLITE and (data_dir / PROFILES_FILE).exists():
                copy_database(data_dir / PROFILES_FILE, partial / PROFILES_FILE)
            _copy_events(data_dir / "events", partial / "events")
            if database is DatabaseKind.SQLITE:
                copy_database(data_dir / DATABASE_FILE, partial / DATABASE_FILE)
            if (data_dir / KEY_FILE).exists():
                copy_file(data_dir / KEY_FILE, partial / KEY_FILE)
            contents = _contents_of(partial, database, now_ms)
            _write_contents(partial / CONTENTS_FILE, contents)
            put_in_place(partial, folder)
    except OSError as error:
        fix = "free disk space, or name a folder where you may write"
        raise BackupFailed(folder, f"cannot be written ({error.strerror})", fix) from error
    return contents


def _copy_events(events: Path, target: Path) -> None:
    """The workers' files first: what moves into Parquet in between is there twice, and counts once.
    Nobody removes a Parquet file meanwhile, and a file that is replaced is read as it was."""
    target.mkdir(mode=0o700)
    with reading(events):
        for path in sorted(events.glob("*.sqlite")):
            copy_database(path, target / path.name)
        for partition in all_partitions(events):
            folder = make_folders(target, partition.folder(target))
            for path in files_in(events, partition):
                copy_file(path, folder / path.name)
        if (events / GONE_FILE).exists():
            copy_file(events / GONE_FILE, target / GONE_FILE)


def _contents_of(folder: Path, database: DatabaseKind, now_ms: int) -> BackupContents:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = tuple(
        BackedUpFile(
            path=path.relative_to(folder).as_posix(),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for path in paths
    )
    return BackupContents(FORMAT, version("fairlot"), write_instant(now_ms), database, files)


def _write_contents(path: Path, contents: BackupContents) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(contents)) + b"\n")
    path.chmod(0o600)
    sync(path)
