"""`fairlot migrate`: the database's tables, at the revision of this version or another."""

import sys

import click

from fairlot import app
from fairlot.cli.data import NoDataDirectory
from fairlot.cli.errors import CommandFailed, NotConfirmed
from fairlot.cli.options import data_option, json_option, read_settings
from fairlot.cli.output import print_json, print_note
from fairlot.service.bootstrap import begin_older_audits, brings_audit
from fairlot.settings import Settings
from fairlot.store import store_as_it_is, unlock
from fairlot.store.errors import Place
from fairlot.store.migrations import LATEST, REVISIONS
from fairlot.store.schema import bring_to, known_revision_of
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import has_organizations


class NotUpToDate(CommandFailed):
    code = "store_not_up_to_date"

    def __init__(self, place: Place, revision: str | None) -> None:
        super().__init__(
            f"{place}: has revision {revision or 'none'}, and this version of Fairlot needs"
            f" {LATEST}; run `fairlot migrate`, or start the server, which does the same",
            {"revision": revision, "latest": LATEST},
        )


@click.command
@click.option("--check", is_flag=True, help="Change nothing; fail if it is not up to date.")
@click.option(
    "--to",
    "revision",
    type=click.Choice(REVISIONS),
    help="Up or down to this revision.  [default: the newest]",
)
@click.option("--yes", is_flag=True, help="Do not ask before going down.")
@data_option
@json_option
def migrate(
    check: bool, revision: str | None, yes: bool, data_dir: str | None, as_json: bool
) -> None:
    """Bring the database up to date, in the data directory or in PostgreSQL.

    Each command and server does so by itself when it opens the database; this does it beforehand,
    in one transaction. Going down is for running an earlier version of Fairlot afterwards: what
    that one knows nothing of is lost. Stop all servers first.

    Up from before 0004, which brought the audit log, it needs the secret: that seals the log.
    """
    settings = read_settings(data_dir)
    if settings.database_url is None and not (settings.data_dir / DATABASE_FILE).exists():
        raise NoDataDirectory(settings.data_dir)
    if check:
        _check(settings, as_json)
        return
    wanted = revision or LATEST
    if _goes_down(settings, wanted) and not yes:
        _ask(wanted, as_json)
    with (
        app.serve_lock(settings.data_dir),
        store_as_it_is(settings.data_dir, settings.database_url) as (place, connection),
    ):
        before = bring_to(connection, place, wanted)
        if brings_audit(before, wanted) and has_organizations(connection):
            unlock(connection, place, settings.data_dir, settings.secret)
            begin_older_audits(connection, before, wanted)
    _print_result(place, before, wanted, as_json)


def _check(settings: Settings, as_json: bool) -> None:
    place, revision = _revision(settings)
    if revision != LATEST:
        raise NotUpToDate(place, revision)
    _print_result(place, revision, revision, as_json)


def _revision(settings: Settings) -> tuple[Place, str | None]:
    with store_as_it_is(settings.data_dir, settings.database_url) as (place, connection):
        return place, known_revision_of(connection, place)


def _goes_down(settings: Settings, wanted: str) -> bool:
    _, revision = _revision(settings)
    return revision is not None and REVISIONS.index(wanted) < REVISIONS.index(revision)


def _ask(wanted: str, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise NotConfirmed("nobody is here to be asked: add --yes to go down")
    print_note("What later revisions added is lost, and this version would bring it up again.")
    if not click.confirm(f"Go down to revision {wanted}?", default=False):
        raise NotConfirmed("nothing was changed")


def _print_result(place: Place, before: str | None, after: str, as_json: bool) -> None:
    if as_json:
        print_json({"place": str(place), "before": before, "revision": after, "latest": LATEST})
    elif before == after:
        click.echo(f"{place}: has revision {after} already.")
    else:
        click.echo(f"{place}: from revision {before or 'none'} to {after}.")
