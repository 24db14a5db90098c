"""The commands of everything that is written as a document: list, show, and its revisions."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import NotConfirmed
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.cli.plan_text import value_text

_REVISION_COLUMNS: Final = ("revision", "at", "by", "action", "status", "reason")
reason_option = click.option("--reason", help="Why, for those who read the revisions.")


@dataclass(frozen=True, slots=True)
class Noun:
    """`row` gives the cells of an item under `columns`, `title` the line above the text of a
    document, from what it is and its newest revision."""

    singular: str
    plural: str
    columns: Sequence[str]
    row: Callable[[Mapping[str, Any]], Sequence[object]]
    title: Callable[[Mapping[str, Any], Mapping[str, Any]], str]

    def path(self, org: str, project: str, *segments: str) -> str:
        return project_path(org, project, self.plural, *segments)


def add_document_commands(group: click.Group, noun: Noun) -> None:
    """All but `list`, whose filters differ."""
    for make in (_show, _revisions, _diff, _revert, _delete):
        group.add_command(make(noun))


def _show(noun: Noun) -> click.Command:
    @click.command(help=f"Show the {noun.singular} KEY, and the text that it was written as.")
    @click.argument("key")
    @org_option
    @project_option
    @controlled
    @json_option
    def show(client: ControlClient, key: str, org: str, project: str, as_json: bool) -> None:
        found = client.request("GET", noun.path(org, project, key)).json
        if as_json:
            print_json(found)
            return
        revisions = noun.path(org, project, key, "revisions", str(found["revision"]))
        click.echo(noun.title(found, client.request("GET", revisions).json))
        click.echo()
        click.echo(found["source"] or "(no text: it was made when an experiment first named it)")

    return show


def _revisions(noun: Noun) -> click.Command:
    @click.command(help=f"List the revisions of the {noun.singular} KEY, the newest first.")
    @click.argument("key")
    @org_option
    @project_option
    @controlled
    @json_option
    def revisions(client: ControlClient, key: str, org: str, project: str, as_json: bool) -> None:
        found = list(client.items(noun.path(org, project, key, "revisions")))
        if as_json:
            print_json({"revisions": found})
        else:
            print_table(_REVISION_COLUMNS, [_revision_row(each) for each in found])

    return revisions


def _diff(noun: Noun) -> click.Command:
    @click.command(
        help=f"Show what revision NUMBER of the {noun.singular} KEY changed: its fields, and its"
        " text."
    )
    @click.argument("key")
    @click.argument("number", type=click.IntRange(1))
    @click.option(
        "--from",
        "--against",
        "against",
        type=click.IntRange(1),
        help="The revision to compare with.  [default: the one before]",
    )
    @org_option
    @project_option
    @controlled
    @json_option
    def diff(
        client: ControlClient,
        key: str,
        number: int,
        against: int | None,
        org: str,
        project: str,
        as_json: bool,
    ) -> None:
        path = noun.path(org, project, key, "revisions", str(number), "diff")
        found = client.request("GET", path, query={"against": against}).json
        if as_json:
            print_json(found)
            return
        for field in found["fields"]:
            click.echo(field_line(field))
        click.echo(found["source"] or "The texts are the same.", nl=not found["source"])

    return diff


def _revert(noun: Noun) -> click.Command:
    @click.command(
        help=f"Write the text of revision NUMBER of the {noun.singular} KEY again, as a new"
        " revision, and publish it."
    )
    @click.argument("key")
    @click.argument("number", type=click.IntRange(1))
    @reason_option
    @org_option
    @project_option
    @controlled
    @json_option
    def revert(
        client: ControlClient,
        key: str,
        number: int,
        reason: str | None,
        org: str,
        project: str,
        as_json: bool,
    ) -> None:
        asked = {"revision": number, "reason": reason}
        found = client.change("POST", noun.path(org, project, key, "revert"), asked).json
        if as_json:
            print_json(found)
        else:
            click.echo(f"{key} is at revision {found['revision']}, with the text of {number}.")

    return revert


def _delete(noun: Noun) -> click.Command:
    @click.command(help=f"Delete the {noun.singular} KEY, for good: its key is never used again.")
    @click.argument("key")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @reason_option
    @org_option
    @project_option
    @controlled
    @json_option
    def delete(
        client: ControlClient,
        key: str,
        yes: bool,
        reason: str | None,
        org: str,
        project: str,
        as_json: bool,
    ) -> None:
        path = noun.path(org, project, key)
        etag = client.request("GET", path).headers["etag"]
        if not yes:
            confirm(f"Delete the {noun.singular} {key}?", "add --yes to delete")
        client.change("DELETE", path, headers={"if-match": etag}, query={"reason": reason})
        if as_json:
            print_json({"deleted": key})
        else:
            click.echo(f"Deleted {key}.")

    return delete


def field_line(field: Mapping[str, Any]) -> str:
    """`audience.sampleRate: 0.5 -> 0.25`; a side that is absent is `-`."""
    sides = (field.get("before", ...), field.get("after", ...))
    before, after = ("-" if side is ... else value_text(side) for side in sides)
    return f"{field['path']}: {before} -> {after}"


def confirm(question: str, otherwise: str) -> None:
    """Raises NotConfirmed when nobody is there to be asked, or does not want it."""
    if not sys.stdin.isatty():
        raise NotConfirmed(f"nobody is here to be asked: {otherwise}")
    if not click.confirm(question, default=False):
        raise NotConfirmed("nothing was changed")


def _revision_row(each: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        each["number"],
        to_the_minute(each["at"]),
        each["author"],
        each["action"],
        each["status"] or "-",
        each["reason"] or "-",
    )
