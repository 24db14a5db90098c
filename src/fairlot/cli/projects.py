"""`fairlot projects`: the projects of an organization."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, organization_path, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table

COLUMNS: Final = ("key", "manifest", "review", "gpc", "zone", "tier", "created")
SERVER_TIER: Final = "default"
_tier_option = click.option(
    "--tier",
    type=click.Choice(["free", "standard", "unlimited", SERVER_TIER]),
    help="How often who holds a credential of it may ask; `default` is what the server says.",
)
_private_option = click.option(
    "--private/--public", default=None, help="Whether the manifest needs a credential."
)
_review_option = click.option(
    "--review-required/--no-review-required",
    default=None,
    help="Whether somebody other than the author has to approve what starts.",
)
_gpc_option = click.option(
    "--honour-gpc/--ignore-gpc",
    default=None,
    help="Whether what comes with `Sec-GPC: 1` is recorded without details.",
)
_zone_option = click.option(
    "--time-zone", help="Whose days results are by, as in Europe/Berlin; UTC without."
)


@click.group(cls=SuggestingGroup)
def projects() -> None:
    """Projects: experiments, manifest and experiment tokens of their own."""


@projects.command(name="list")
@org_option
@controlled
@json_option
def show_projects(client: ControlClient, org: str, as_json: bool) -> None:
    """List the projects of an organization."""
    found = list(client.items(organization_path(org, "projects")))
    if as_json:
        print_json({"projects": found})
    else:
        print_table(COLUMNS, [_row(each) for each in found])


@projects.command()
@click.argument("key")
@_private_option
@_review_option
@_gpc_option
@_zone_option
@_tier_option
@org_option
@controlled
@json_option
def create(
    client: ControlClient,
    key: str,
    private: bool | None,
    review_required: bool | None,
    honour_gpc: bool | None,
    time_zone: str | None,
    tier: str | None,
    org: str,
    as_json: bool,
) -> None:
    """Make the project KEY, with an empty manifest, and print its experiment token."""
    asked = {"key": key, **_settings(private, review_required, honour_gpc, time_zone, tier)}
    created = client.request("POST", organization_path(org, "projects"), asked).json
    if as_json:
        print_json(created)
        return
    click.echo(created["token"])
    print_note(f"Made {org}/{key}; publish to it with `fairlot apply DIR --project {key}`.")


@projects.command()
@click.argument("key")
@_private_option
@_review_option
@_gpc_option
@_zone_option
@_tier_option
@org_option
@controlled
@json_option
def update(
    client: ControlClient,
    key: str,
    private: bool | None,
    review_required: bool | None,
    honour_gpc: bool | None,
    time_zone: str | None,
    tier: str | None,
    org: str,
    as_json: bool,
) -> None:
    """Change the settings of the project KEY; what is not named stays."""
    asked = _settings(private, review_required, honour_gpc, time_zone, tier)
    if not asked:
        raise InvalidArgument("name at least one setting to change, as in --private")
    changed = client.request("PATCH", project_path(org, key), asked).json
    if as_json:
        print_json(changed)
    else:
        print_table(COLUMNS, [_row(changed)])


def _settings(
    private: bool | None,
    review_required: bool | None,
    honour_gpc: bool | None,
    time_zone: str | None,
    tier: str | None,
) -> dict[str, object]:
    """Those that were given."""
    given: dict[str, object] = {}
    if private is not None:
        given["private"] = private
    if review_required is not None:
        given["reviewRequired"] = review_required
    if honour_gpc is not None:
        given["honoursGpc"] = honour_gpc
    if time_zone is not None:
        given["timeZone"] = time_zone
    if tier is not None:
        given["tier"] = None if tier == SERVER_TIER else tier
    return given


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        each["key"],
        "private" if each["private"] else "public",
        "required" if each["reviewRequired"] else "-",
        "honoured" if each["honoursGpc"] else "ignored",
        each["timeZone"],
        each["tier"] or SERVER_TIER,
        to_the_minute(each["createdAt"]),
    )
