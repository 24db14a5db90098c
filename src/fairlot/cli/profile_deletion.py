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
    """Delete SUBJECT for good: its profile, its events and its assignments.

    SUBJECT is a visitor or user id. Where nobody has that id it may be another name (external id,
    e-mail address, phone number, anonymous id of a source), unless several people have it: then
    nothing is deleted, and their subject ids are named. All names of the profile are deleted with
    it. It works while a server runs, and says when something could not be deleted yet. Backups are
    not touched.
    """
    path = project_path(org, project, "profiles", subject)
    if not yes and as_json:
        raise NotConfirmed("nobody is asked with --json: add --yes to delete")
    if not yes:
        confirm(
            f"Delete all of {_whom(client, path, subject)} in {org}/{project}?",
            "add --yes to delete",
        )
    deleted = client.request("DELETE", path).json
    if as_json:
        print_json(deleted)
    else:
        _report(subject, deleted)


def _whom(client: ControlClient, path: str, name: str) -> str:
    """Who it is, if it is asked for by another name than its ids."""
    try:
        found = client.request("GET", path).json
    except ControlRefused as refusal:
        if refusal.status != 404:
            raise
        return f"the subject {name}"
    ids = (each["value"] for each in found["identifiers"] if each["kind"] == "subject")
    if name in ids:
        return f"the subject {name}"
    return f"the subject {printable(found['subjectId'])}, who is called {name},"


def _report(name: str, deleted: Mapping[str, Any]) -> None:
    whose = "The profile and" if deleted["found"] else "No profile;"
    click.echo(f"{whose} all events of the subject are deleted: {deleted['id']}")
    if deleted["others"]:
        others = ", ".join(map(printable, deleted["others"]))
        print_note(f"Others are called {printable(name)} too, and stay: {others}")
    for each in deleted["left"]:
        print_note(f"Left: {each['file']}: {_WHY[each['why']]}.")
