"""`fairlot profiles delete`: a subject asked to be forgotten."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.documents import confirm
from fairlot.cli.errors import NotConfirmed
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note

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
    """Delete SUBJECT for good: its profile, its events and its assignments.

    All ids of the profile are deleted with it. It works while a server runs, and says when
    something could not be deleted yet. Backups are not touched.
    """
    if not yes and as_json:
        raise NotConfirmed("nobody is asked with --json: add --yes to delete")
    if not yes:
        confirm(f"Delete all of the subject {subject} in {org}/{project}?", "add --yes to delete")
    path = project_path(org, project, "profiles", subject)
    deleted = client.request("DELETE", path).json
    if as_json:
        print_json(deleted)
    else:
        _report(deleted)


def _report(deleted: Mapping[str, Any]) -> None:
    known = "The profile and all events" if deleted["found"] else "No profile; all events"
    click.echo(f"{known} of the subject are deleted: {deleted['id']}")
    for each in deleted["left"]:
        print_note(f"Left: {each['file']}: {_WHY[each['why']]}.")
