"""A data directory put back from a backup."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fairlot.engine import FairlotError
from fairlot.service.actors import Actor
from fairlot.service.backups.contents import (
    BackupContents,
    BrokenBackup,
    DatabaseKind,
    read_contents,
)
from fairlot.service.backups.continuing import Continued, go_on_above
from fairlot.service.backups.copying import copy_file, make_folders
from fairlot.service.backups.replaced import Replaced, read_replaced
from fairlot.service.backups.staging import put_in_place, staging
from fairlot.store import open_store, store_as_it_is
from fairlot.store.schema import revision_of


class RestoreRefused(FairlotError):
    """Nothing was restored, and nothing that was there was touched."""

    code = "restore_refused"

    def __init__(self, place: Path | str, problem: str, fix: str) -> None:
        self.place = place
        super().__init__(f"{place}: {problem}; {fix}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to restore to, and what opens it. `above` is a version that no project may go on below;
    None leaves it to what is known."""

    data_dir: Path
    secret: str | None
    database_url: str | None
    replace: bool = False
    above: int | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """`kept_aside` is where the directory that was there is now."""

    contents: BackupContents
    projects: tuple[Continued, ...]
    kept_aside: Path | None


def restore(source: Path, target: Target, actor: Actor, *, now_ms: int) -> Restored:
    """Bring back the backup in the folder `source`, all of it or nothing.

    The checksums are those of the bytes that were copied. Raises BrokenBackup, RestoreRefused, and
    what opening the store raises. The caller sees to it that nobody serves the target.
    """
    contents = read_contents(source)
    _check_database(contents, target)
    is_there = _is_there(target)
    aside = _name_aside(target.data_dir, now_ms) if is_there else None
    try:
        with staging(target.data_dir) as partial:
            _copy(source, contents, partial)
            (partial / ".gitignore").write_text("*\n", "utf-8")
            projects = _go_on(contents, partial, target, is_there, actor, now_ms)
            put_in_place(partial, target.data_dir, aside)
    except OSError as error:
        fix = "free disk space, or name a directory that you own"
        raise RestoreRefused(
            target.data_dir, f"cannot be written ({error.strerror})", fix
        ) from error
    return Restored(contents, projects, aside)


def _check_database(contents: BackupContents, target: Target) -> None:
    if contents.database is DatabaseKind.SQLITE and target.database_url is not None:
        raise RestoreRefused(
            target.data_dir,
            "this backup holds the database, and FAIRLOT_DATABASE_URL names another",
            "unset it",
        )
    if contents.database is DatabaseKind.POSTGRESQL and target.database_url is None:
        raise RestoreRefused(
            target.data_dir,
            "the database of this backup was in PostgreSQL",
            "restore that with pg_restore, and set FAIRLOT_DATABASE_URL",
        )


def _is_there(target: Target) -> bool:
    """Whether there is something in the directory. Raises RestoreRefused if it may not go."""
    data_dir = target.data_dir
    if not data_dir.exists():
        return False
    if not data_dir.is_dir():
        raise RestoreRefused(data_dir, "is no directory", "name another")
    if not any(data_dir.iterdir()):
        return False
    if not target.replace:
        fix = "name one that is empty or absent, or add --replace to keep this one aside"
        raise RestoreRefused(data_dir, "is not empty", fix)
    return True


def _name_aside(data_dir: Path, now_ms: int) -> Path:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    aside = data_dir.with_name(f"{data_dir.name}.replaced-{moment:%Y%m%dT%H%M%SZ}")
    if aside.exists():
        raise RestoreRefused(aside, "is there already", "wait a second, or move it away")
    return aside


def _copy(source: Path, contents: BackupContents, target: Path) -> None:
    (target / "events").mkdir(mode=0o700)
    for file in contents.files:
        path = source / file.path
        make_folders(target, (target / file.path).parent)
        try:
            digest = copy_file(path, target / file.path)
        except FileNotFoundError:
            raise BrokenBackup(path, "is missing") from None
        if digest != file.sha256:
            raise BrokenBackup(path, "has another checksum than when it was made")


def _go_on(
    contents: BackupContents,
    partial: Path,
    target: Target,
    is_there: bool,
    actor: Actor,
    now_ms: int,
) -> tuple[Continued, ...]:
    logs = [partial / "events"]
    if is_there:
        logs.append(target.data_dir / "events")
    with store_as_it_is(partial, target.database_url) as (place, connection):
        if revision_of(connection) is None:
            raise RestoreRefused(place, "holds nothing of Fairlot", "restore it with pg_restore")
    store = open_store(partial, target.secret, target.database_url)
    try:
        return go_on_above(
            store,
            backup_of=contents.created_at,
            replaced=read_replaced(target.data_dir) if is_there else Replaced(),
            logs=tuple(logs),
            above=target.above,
            actor=actor,
            now_ms=now_ms,
        )
    finally:
        store.close()
