"""`fairlot profiles`: what is known of subjects."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note, print_table
from fairlot.cli.profile_deletion import delete
from fairlot.manifest.problems import printable


@click.group(cls=SuggestingGroup)
def profiles() -> None:
    """Profiles: what is known of subjects."""


@profiles.command()
@click.argument("subject")
@org_option
@project_option
@controlled
@json_option
def show(client: ControlClient, subject: str, org: str, project: str, as_json: bool) -> None:
    """Show what is known of SUBJECT, by any of its names: visitor, user or external id, the
    anonymous id of a source, e-mail address, phone number."""
    found = client.request("GET", project_path(org, project, "profiles", subject)).json
    if as_json:
        print_json(found)
    else:
        _print_profile(found)
        _note_others(subject, found)


@profiles.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@org_option
@project_option
@controlled
@json_option
def show_all(client: ControlClient, limit: int, org: str, project: str, as_json: bool) -> None:
    """List profiles, in the order of their creation."""
    query = {"limit": min(limit, 200)}
    found = list(islice(client.items(project_path(org, project, "profiles"), query), limit))
    if as_json:
        print_json({"profiles": found})
        return
    rows = [
        (
            each["subjectId"],
            each["userId"] or "-",
            each["accountId"] or "-",
            to_the_minute(each["createdAt"]),
            to_the_minute(each["lastSeenAt"]),
        )
        for each in found
    ]
    print_table(("subject", "user", "account", "created", "last seen"), rows)


@profiles.command()
@click.argument("subject")
@org_option
@project_option
@controlled
@json_option
def export(client: ControlClient, /, subject: str, org: str, project: str, **_: object) -> None:
    """Print all that is recorded of SUBJECT, by any of its names, as JSON, with and without --json:
    profile, account, history, events and assignments. Who has no profile may have the last two."""
    path = project_path(org, project, "profiles", subject, "export")
    found = client.request("GET", path).json
    print_json(found)
    if found["profile"] is not None:
        _note_others(subject, found["profile"])


@profiles.command()
@click.argument("subject")
@click.argument("other")
@org_option
@project_option
@controlled
@json_option
def merge(
    client: ControlClient, subject: str, other: str, org: str, project: str, as_json: bool
) -> None:
    """Say that SUBJECT and OTHER are one from now on. It cannot be undone.

    The profile that is older stays, and its variants with it.
    """
    path = project_path(org, project, "profiles", "merge")
    done = client.request("POST", path, {"subject": subject, "other": other}).json
    if as_json:
        print_json(done)
        return
    click.echo(f"{subject} and {other} are {done['profile']['subjectId']}.")
    for each in done["switched"]:
        click.echo(
            f"{each['experimentKey']}: {each['fromVariant'] or 'control share'} became"
            f" {each['toVariant'] or 'control share'}"
        )


profiles.add_command(delete)


def _note_others(name: str, found: Mapping[str, Any]) -> None:
    """Each can be asked for by its subject id."""
    if found["others"]:
        others = ", ".join(map(printable, found["others"]))
        print_note(f"Others are called {printable(name)} too; ask for each of them: {others}")


def _print_profile(found: dict[str, Any]) -> None:
    names = ", ".join(f"{each['kind']} {each['value']}" for each in found["identifiers"])
    rows = [
        ("subject", found["subjectId"]),
        ("user", found["userId"] or "-"),
        ("account", found["accountId"] or "-"),
        ("known as", names),
        ("created", to_the_minute(found["createdAt"])),
        ("last seen", to_the_minute(found["lastSeenAt"])),
        ("visits", found["sessions"].get("count", 0)),
        *((f"attribute {name}", value) for name, value in found["attributes"].items()),
        *((f"property {name}", each.get("value")) for name, each in found["properties"].items()),
        *(
            (f"assigned {each['experimentKey']}", _variant(each))
            for each in found["assignments"].values()
        ),
        *(
            (f"activated {each['experimentKey']}", each["variantKey"] or "control share")
            for each in found["activations"].values()
        ),
    ]
    print_table(("what", "is"), rows)


def _variant(assignment: dict[str, Any]) -> str:
    flags = [name for name in ("switched", "excluded") if assignment.get(name)]
    return " ".join((assignment["variantKey"], *flags))
