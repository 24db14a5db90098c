"""`fairlot migrate`: the database's tables, at the revision of this version or another."""

import sys
from collections.abc import Mapping
from typing import NamedTuple

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
from fairlot.store.profiles.opening import (
    LATEST_PROFILES,
    bring_profiles_to,
    profiles_as_they_are,
    version_of_profiles,
)
from fairlot.store.schema import bring_to, known_revision_of
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import has_organizations


class NotUpToDate(CommandFailed):
    code = "store_not_up_to_date"

    def __init__(self, place: Place, what: str, details: Mapping[str, object]) -> None:
        fix = "run `fairlot migrate`, or start the server, which does the same"
        super().__init__(f"{place}: {what}; {fix}", details)


class Profiles(NamedTuple):
    """Where they are, and which version they had and have."""

    place: Place
    before: int
    version: int


@click.command
@click.option("--check", is_flag=True, help="Change nothing; fail if it is not up to date.")
@click.option(
    "--to",
    "revision",
    type=click.Choice(REVISIONS),
    help="Up or down to this revision.  [default: the newest]",
)
@click.option("--yes", is_flag=True, help="Do not ask before going down.")
@click.option(
    "--profiles-to",
    "profiles_version",
    type=click.IntRange(1, LATEST_PROFILES),
    help="Up or down to this version of the profiles.  [default: the newest; with --to, as they"
    " are]",
)
@data_option
@json_option
def migrate(
    check: bool,
    revision: str | None,
    yes: bool,
    profiles_version: int | None,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Bring the database and the profiles up to date, in the data directory or in PostgreSQL.

    Each command and server does so by itself when it opens them; this does it beforehand, each in
    one transaction. Going down is for running an earlier version of Fairlot afterwards: what
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
    if revision is None and profiles_version is None:
        profiles_version = LATEST_PROFILES
    if not yes:
        _ask_before_going_down(settings, wanted, profiles_version, as_json)
    with app.serve_lock(settings.data_dir):
        with store_as_it_is(settings.data_dir, settings.database_url) as (place, connection):
            before = bring_to(connection, place, wanted)
            if brings_audit(before, wanted) and has_organizations(connection):
                unlock(connection, place, settings.data_dir, settings.secret)
                begin_older_audits(connection, before, wanted)
        profiles = _profiles(settings, profiles_version)
    _print_result(place, before, wanted, profiles, as_json)


def _check(settings: Settings, as_json: bool) -> None:
    place, revision = _revision(settings)
    if revision != LATEST:
        what = f"has revision {revision or 'none'}, and this version of Fairlot needs {LATEST}"
        raise NotUpToDate(place, what, {"revision": revision, "latest": LATEST})
    profiles = _profiles(settings)
    if profiles is not None and profiles.version != LATEST_PROFILES:
        version, needed = profiles.version, LATEST_PROFILES
        what = f"profiles have version {version}, and this version of Fairlot needs {needed}"
        raise NotUpToDate(profiles.place, what, {"profiles": version, "latest": needed})
    _print_result(place, revision, revision, profiles, as_json)


def _revision(settings: Settings) -> tuple[Place, str | None]:
    with store_as_it_is(settings.data_dir, settings.database_url) as (place, connection):
        return place, known_revision_of(connection, place)


def _profiles(settings: Settings, to: int | None = None) -> Profiles | None:
    """As they are, or brought to a version; None before they are first needed."""
    with profiles_as_they_are(settings.data_dir, settings.database_url) as found:
        if found is None:
            return None
        place, connection = found
        before = version_of_profiles(connection, place)
        if to is not None:
            bring_profiles_to(connection, place, to)
        return Profiles(place, before, to or before)


def _ask_before_going_down(
    settings: Settings, revision: str, profiles_version: int | None, as_json: bool
) -> None:
    _, present = _revision(settings)
    profiles = _profiles(settings)
    down = []
    if present is not None and REVISIONS.index(revision) < REVISIONS.index(present):
        down.append(f"revision {revision}")
    if profiles is not None and (profiles_version or profiles.version) < profiles.version:
        down.append(f"version {profiles_version} of the profiles")
    if not down:
        return
    if as_json or not sys.stdin.isatty():
        raise NotConfirmed("nobody is here to be asked: add --yes to go down")
    print_note("What later revisions added is lost, and this version would bring it up again.")
    if not click.confirm(f"Go down to {' and '.join(down)}?", default=False):
        raise NotConfirmed("nothing was changed")


def _print_result(
    place: Place, before: str | None, after: str, profiles: Profiles | None, as_json: bool
) -> None:
    if as_json:
        document = {"place": str(place), "before": before, "revision": after, "latest": LATEST}
        print_json(document | {"profiles": _document_of(profiles)})
        return
    click.echo(_said(place, "revision", before, after))
    if profiles is not None:
        click.echo(_said(profiles.place, "profiles", profiles.before, profiles.version))


def _document_of(profiles: Profiles | None) -> dict[str, int] | None:
    if profiles is None:
        return None
    return {"before": profiles.before, "version": profiles.version, "latest": LATEST_PROFILES}


def _said(place: Place, what: str, before: object, after: object) -> str:
    if before == after:
        return f"{place}: has {what} {after} already."
    return f"{place}: from {what} {before or 'none'} to {after}."
