"""`fairlot profiles delete`: a subject asked to be forgotten."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, ControlRefused, controlled, project_path
from fairlot.cli.documents import confirm
from fairlot.cli.errors import NotConfirmed
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note
from fairlot.manifest.problems import printable

_WHY: Final = {
    "not_erased": "its process has not come to it; it does so by itself",
    "wal_not_emptied": "somebody reads it, so old pages are still there; they go by themselves",
    "unreadable": "it is a damaged Parquet file; delete it yourself, as nobody can look into it",
    "set_aside": "it was damaged and renamed; delete it yourself, as nobody can look into it",
}


@click.command()
@click.argument("subject")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
@org_option
@controlled
@json_option
def delete(
    client: ControlClient, subject: str, yes: bool, project: str, org: str, as_json: bool
) -> None:
    """Delete SUBJECT for good, by any of its names: its profile, its events and its assignments.

    All names of the profile are deleted with it. If several profiles have this name, all of them
    are deleted; `fairlot profiles show` says which these are. It works while a server runs, and
    says when something could not be deleted yet. Backups are not touched.
    """
    path = project_path(org, project, "profiles", subject)
    if not yes and as_json:
        raise NotConfirmed("nobody is asked with --json: add --yes to delete")
    if not yes:
        whom = f"the subject {subject}{_others(client, path)}"
        confirm(f"Delete all of {whom} in {org}/{project}?", "add --yes to delete")
    deleted = client.request("DELETE", path).json
    if as_json:
        print_json(deleted)
    else:
        _report(deleted)


def _others(client: ControlClient, path: str) -> str:
    """Who is called so too."""
    try:
        others = client.request("GET", path).json["others"]
    except ControlRefused as refusal:
        if refusal.status != 404:
            raise
        return ""
    if not others:
        return ""
    called = "other that is" if len(others) == 1 else "others that are"
    return f" and of {len(others)} {called} called so ({', '.join(map(printable, others))})"


def _report(deleted: Mapping[str, Any]) -> None:
    click.echo(f"{_whose_events(deleted['profiles'])} are deleted: {deleted['id']}")
    for each in deleted["left"]:
        print_note(f"Left: {each['file']}: {_WHY[each['why']]}.")


def _whose_events(profiles: int) -> str:
    if profiles > 1:
        return f"{profiles} profiles that are called so and all of their events"
    return f"{'The profile and' if profiles else 'No profile;'} all events of the subject"
