"""`fairlot signing-keys`: the keys that sign manifests, and how they are exchanged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, organization_path
from fairlot.cli.options import json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table

COLUMNS: Final = ("key", "state", "created", "announced", "since")
Command = TypeVar("Command", bound=Callable[..., Any])


def patience_options(command: Command) -> Command:
    """How long to wait before a step that clients have to be ready for."""
    wait = click.option(
        "--wait",
        "wait_hours",
        type=click.IntRange(0, 24 * 90),
        metavar="HOURS",
        help="How long clients need to notice: what the slowest of their caches may hold back."
        "  [default: 24]",
    )
    force = click.option("--force", is_flag=True, help="Do not wait: a key was stolen.")
    return wait(force(command))


@click.group(cls=SuggestingGroup, name="signing-keys")
def signing_keys() -> None:
    """The keys that sign manifests: current, next, and those that are on their way out."""


@signing_keys.command(name="list")
@org_option
@controlled
@json_option
def show_keys(client: ControlClient, org: str, as_json: bool) -> None:
    """List the signing keys, retired ones too."""
    found = list(client.items(organization_path(org, "signing-keys")))
    if as_json:
        print_json({"keys": found})
    else:
        _print_keys(found)


@signing_keys.command()
@org_option
@controlled
@json_option
def announce(client: ControlClient, org: str, as_json: bool) -> None:
    """Make the next key, and have all manifests list it.

    Only an organization of an earlier version needs it: the next key is announced when an
    organization is made, and with every rotation.
    """
    change = client.change("POST", organization_path(org, "signing-keys", "announce")).json
    _report(change, "The next key is announced.", "There is an announced next key.", as_json)


@signing_keys.command()
@click.option("--to", metavar="KEY", help="The key that is to sign.  [default: the next one]")
@patience_options
@org_option
@controlled
@json_option
def rotate(
    client: ControlClient,
    to: str | None,
    wait_hours: int | None,
    force: bool,
    org: str,
    as_json: bool,
) -> None:
    """Sign by the next key from now on, and announce another.

    It is refused until the next key has been announced for a day: clients believe it only when a
    manifest has told them of it.
    """
    asked = _patience(wait_hours, force) | ({} if to is None else {"to": to})
    change = client.change("POST", organization_path(org, "signing-keys", "rotate"), asked).json
    _report(change, "All manifests are signed by the next key.", f"{to} signs already.", as_json)


@signing_keys.command()
@patience_options
@org_option
@controlled
@json_option
def retire(
    client: ControlClient, wait_hours: int | None, force: bool, org: str, as_json: bool
) -> None:
    """Believe the former keys no more, and destroy their private parts.

    It is refused until a day after the rotation. Preview links that they have signed end with them.
    """
    path = organization_path(org, "signing-keys", "retire")
    change = client.change("POST", path, _patience(wait_hours, force)).json
    _report(change, "The former keys are retired.", "There is no key to retire.", as_json)


def _patience(wait_hours: int | None, force: bool) -> dict[str, object]:
    return {"force": force} | ({} if wait_hours is None else {"waitHours": wait_hours})


def _report(change: Mapping[str, Any], done: str, nothing: str, as_json: bool) -> None:
    for warning in change["warnings"]:
        print_note(f"Warning: {warning}.")
    if as_json:
        print_json(change)
        return
    click.echo(done if change["changed"] else f"Nothing changed. {nothing}")
    for project, version in sorted(change["versions"].items()):
        click.echo(f"Published version {version} of {project}.")
    _print_keys(change["keys"])


def _print_keys(keys: Sequence[Mapping[str, Any]]) -> None:
    print_table(COLUMNS, [_row(key) for key in keys])


def _row(key: Mapping[str, Any]) -> tuple[str, ...]:
    times = (key["createdAt"], key["announcedAt"], key["stateAt"])
    return (key["kid"], key["state"], *((each or "-")[:16] for each in times))
