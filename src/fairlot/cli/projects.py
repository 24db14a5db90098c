"""`fairlot projects`: the projects of an organization."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, organization_path, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table

COLUMNS: Final = ("key", "manifest", "review", "gpc", "zone", "tier", "created")
SERVER_TIER: Final = "default"
_Command = TypeVar("_Command", bound=Callable[..., Any])
# Each is named as the management API names it.
_SETTINGS: Final = (
    click.option(
        "--private/--public",
        "private",
        default=None,
        help="Whether the manifest needs a credential.",
    ),
    click.option(
        "--review-required/--no-review-required",
        "reviewRequired",
        default=None,
        help="Whether somebody other than the author has to approve what starts.",
    ),
    click.option(
        "--honour-gpc/--ignore-gpc",
        "honoursGpc",
        default=None,
        help="Whether what comes with `Sec-GPC: 1` is recorded without details.",
    ),
    click.option(
        "--time-zone",
        "timeZone",
        help="Whose days results are by, as in Europe/Berlin; UTC without.",
    ),
    click.option(
        "--tier",
        type=click.Choice(["free", "standard", "unlimited", SERVER_TIER]),
        help="How often who holds a credential of it may ask; `default` is what the server says.",
    ),
)


def _settings(command: _Command) -> _Command:
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


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
@_settings
@org_option
@controlled
@json_option
def create(
    client: ControlClient, /, key: str, org: str, as_json: bool, **settings: str | bool | None
) -> None:
    """Make the project KEY, with an empty manifest, and print its experiment token."""
    asked = {"key": key, **_given(settings)}
    created = client.change("POST", organization_path(org, "projects"), asked).json
    if as_json:
        print_json(created)
        return
    click.echo(created["token"])
    print_note(f"Made {org}/{key}; publish to it with `fairlot apply DIR --project {key}`.")


@projects.command()
@click.argument("key")
@_settings
@org_option
@controlled
@json_option
def update(
    client: ControlClient, /, key: str, org: str, as_json: bool, **settings: str | bool | None
) -> None:
    """Change the settings of the project KEY; what is not named stays."""
    asked = _given(settings)
    if not asked:
        raise InvalidArgument("name at least one setting to change, as in --private")
    changed = client.change("PATCH", project_path(org, key), asked).json
    if as_json:
        print_json(changed)
    else:
        print_table(COLUMNS, [_row(changed)])


def _given(settings: Mapping[str, str | bool | None]) -> dict[str, str | bool | None]:
    """Those that were named; the API writes the tier of the server as null."""
    given: dict[str, str | bool | None] = {
        name: value for name, value in settings.items() if value is not None
    }
    if given.get("tier") == SERVER_TIER:
        given["tier"] = None
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
