"""`fairlot accounts`: what is known of groups of users."""

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table


@click.group(cls=SuggestingGroup)
def accounts() -> None:
    """Accounts: groups of users, as companies are."""


@accounts.command()
@click.argument("account")
@org_option
@project_option
@controlled
@json_option
def show(client: ControlClient, account: str, org: str, project: str, as_json: bool) -> None:
    """Show the attributes of ACCOUNT."""
    found = client.request("GET", project_path(org, project, "accounts", account)).json
    if as_json:
        print_json(found)
        return
    rows = [
        ("created", to_the_minute(found["createdAt"])),
        ("updated", to_the_minute(found["updatedAt"])),
        *((f"attribute {name}", value) for name, value in found["attributes"].items()),
    ]
    print_table(("what", "is"), rows)
