"""`fairlot backup` and `fairlot restore`: the data directory, copied and put back."""

import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from fairlot import app
from fairlot.cli.data import NoDataDirectory
from fairlot.cli.in_process import local_actor
from fairlot.cli.options import data_option, json_option, read_settings
from fairlot.cli.output import print_json, print_note, print_table, progress
from fairlot.service.backups.backing_up import back_up
from fairlot.service.backups.contents import DatabaseKind
from fairlot.service.backups.restoring import Restored, Target, restore
from fairlot.settings import Settings
from fairlot.store.sqlite import DATABASE_FILE

_HIGHEST_ABOVE = 2_000_000_000  # a version is a number of 32 bits


@click.command
@click.argument("folder", type=click.Path(path_type=Path))
@data_option
@json_option
def backup(folder: Path, data_dir: str | None, as_json: bool) -> None:
    """Copy the data directory into the new folder FOLDER, while it is served or not.

    The databases, the event log and the key that seals the signing keys, with their checksums in
    backup.json. Keep the folder as safe as the data directory. FAIRLOT_SECRET is not in it, and
    neither is a database in PostgreSQL: back that up with pg_dump.
    """
    settings = read_settings(data_dir)
    kind = _kind_of(settings)
    needed = DATABASE_FILE if kind is DatabaseKind.SQLITE else ""
    if not (settings.data_dir / needed).exists():
        raise NoDataDirectory(settings.data_dir)
    with progress("copying"):
        contents = back_up(settings.data_dir, folder, kind, now_ms=_now_ms())
    if as_json:
        print_json({"folder": str(folder), **msgspec.to_builtins(contents)})
        return
    size = sum(file.bytes for file in contents.files)
    click.echo(f"Copied {len(contents.files)} file(s), {size:,} bytes, to {folder}.")
    if kind is DatabaseKind.POSTGRESQL:
        print_note("The database is in PostgreSQL: back it up with pg_dump.")
    if settings.secret is not None:
        print_note("FAIRLOT_SECRET is not in the backup: keep it too, elsewhere.")


@click.command(name="restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Keep the directory that is there aside.")
@click.option(
    "--above",
    type=click.IntRange(0, _HIGHEST_ABOVE),
    metavar="VERSION",
    help="The highest version of any manifest that was published, if you know it.",
)
@data_option
@json_option
def restore_command(
    folder: Path, replace: bool, above: int | None, data_dir: str | None, as_json: bool
) -> None:
    """Put back what `fairlot backup` copied into FOLDER.

    Stop the server first. Every project is then published with a version above all that clients
    may have seen, or they would refuse it. What that is, the directory that is replaced knows, or
    --above says; else 1000 are left out.
    """
    settings = read_settings(data_dir)
    target = Target(settings.data_dir, settings.secret, settings.database_url, replace, above)
    with _unserved(settings.data_dir), progress("restoring"):
        done = restore(folder, target, local_actor(os.environ), now_ms=_now_ms())
    _print_restored(done, settings, as_json)


def _kind_of(settings: Settings) -> DatabaseKind:
    return DatabaseKind.SQLITE if settings.database_url is None else DatabaseKind.POSTGRESQL


def _unserved(data_dir: Path) -> AbstractContextManager[None]:
    """A directory that is not there, or is empty, stays so: nobody serves it."""
    has_something = data_dir.is_dir() and any(data_dir.iterdir())
    return app.serve_lock(data_dir) if has_something else nullcontext()


def _print_restored(done: Restored, settings: Settings, as_json: bool) -> None:
    if as_json:
        aside = None if done.kept_aside is None else str(done.kept_aside)
        print_json(
            {
                "dataDirectory": str(settings.data_dir),
                "backup": done.contents.created_at,
                "keptAside": aside,
                "projects": [asdict(each) for each in done.projects],
            }
        )
        return
    click.echo(f"Restored the backup of {done.contents.created_at} to {settings.data_dir}.")
    if done.kept_aside is not None:
        click.echo(f"What was there is in {done.kept_aside}.")
    rows = [
        (
            f"{each.org}/{each.project}",
            "-" if each.restored is None else each.restored,
            each.published,
        )
        for each in done.projects
    ]
    print_table(("project", "in the backup", "goes on with"), rows)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
