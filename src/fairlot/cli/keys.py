"""`fairlot keys`: the API keys of an organization."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, organization_path
from fairlot.cli.moments import instant_in_days, to_the_minute
from fairlot.cli.options import json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table
from fairlot.service.actors import Scope

COLUMNS: Final = (
    "id",
    "name",
    "scopes",
    "projects",
    "created",
    "by",
    "expires",
    "last used",
    "revoked",
)


@click.group(cls=SuggestingGroup)
def keys() -> None:
    """API keys: secret, limited by scopes, sent as `Authorization: Bearer`."""


@keys.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; repeat for several.",
)
@click.option("--name", help="What it is for, for those who read the list.")
@click.option(
    "--project",
    "projects",
    multiple=True,
    help="Only in this project; repeat for several.  [default: the whole organization]",
)
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="[default: never]")
@org_option
@controlled
@json_option
def create(
    client: ControlClient,
    scopes: tuple[str, ...],
    name: str | None,
    projects: tuple[str, ...],
    expires_in_days: int | None,
    org: str,
    as_json: bool,
) -> None:
    """Make a key and print it, once. Nobody can give a key a scope that they do not have."""
    asked = {
        "scopes": sorted(set(scopes)),
        "name": name,
        "projects": list(projects) or None,
        "expiresAt": None if expires_in_days is None else instant_in_days(expires_in_days),
    }
    created = client.request("POST", organization_path(org, "keys"), asked).json
    if as_json:
        print_json(created)
        return
    click.echo(created["key"])
    print_note("Keep it now: only its hash is stored. Running servers know it within a second.")


@keys.command(name="list")
@org_option
@controlled
@json_option
def show_keys(client: ControlClient, org: str, as_json: bool) -> None:
    """List the keys of an organization, the revoked ones too."""
    found = list(client.items(organization_path(org, "keys")))
    if as_json:
        print_json({"keys": found})
    else:
        print_table(COLUMNS, [_row(key) for key in found])


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--in-days", type=click.IntRange(1, 3650), required=True, help="Counted from now.")
@org_option
@controlled
@json_option
def expire(client: ControlClient, key_id: str, in_days: int, org: str, as_json: bool) -> None:
    """Let the key ID end earlier than it would; what was given for a time is not prolonged."""
    path = organization_path(org, "keys", key_id, "expire")
    changed = client.change("POST", path, {"expiresAt": instant_in_days(in_days)}).json
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{key_id} ends at {changed['expiresAt']}.")


@keys.command()
@click.argument("key_id", metavar="ID")
@org_option
@controlled
@json_option
def revoke(client: ControlClient, key_id: str, org: str, as_json: bool) -> None:
    """Revoke the key ID, the eight characters between `fx_key_` and the dot. It is for good.

    Running workers refuse the key within their poll interval.
    """
    changed = client.change("POST", organization_path(org, "keys", key_id, "revoke")).json
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Revoked {key_id}.")


def _row(key: Mapping[str, Any]) -> tuple[str, ...]:
    times = (key["expiresAt"], key["lastUsedAt"], key["revokedAt"])
    return (
        key["id"],
        key["name"] or "-",
        " ".join(key["scopes"]),
        "all" if key["projects"] is None else ", ".join(key["projects"]),
        to_the_minute(key["createdAt"]),
        key["createdBy"] or "-",
        *(to_the_minute(each) for each in times),
    )
