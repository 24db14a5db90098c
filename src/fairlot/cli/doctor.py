"""`fairlot doctor`: what could make the result of an experiment wrong."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.manifest.problems import printable

_SIGNS: Final = {"blocks": "BLOCKS", "warns": "warns ", "notes": "notes "}


class VerdictBlocked(CommandFailed):
    code = "verdict_blocked"


@click.command
@click.argument("experiment")
@org_option
@project_option
@controlled
@json_option
def doctor(client: ControlClient, experiment: str, org: str, project: str, as_json: bool) -> None:
    """Say what could make the result of EXPERIMENT wrong, with its evidence, and what to do.

    The exit code is 1 when something blocks the verdict.
    """
    path = project_path(org, project, "experiments", experiment, "doctor")
    found = client.request("GET", path).json
    blocking = [each for each in found["findings"] if each["severity"] == "blocks"]
    if as_json:
        print_json(found)
        click.get_current_context().exit(1 if blocking else 0)
    _print_diagnosis(found)
    if blocking:
        codes = ", ".join(dict.fromkeys(each["code"] for each in blocking))
        raise VerdictBlocked(f"{experiment}: no verdict can be given: {codes}")


def _print_diagnosis(found: Mapping[str, Any]) -> None:
    """Senders have written some of it."""
    subjects = ", ".join(f"{key} {count}" for key, count in sorted(found["exposed"].items()))
    whose = f"{found['project']} {found['experiment']}"
    click.echo(printable(f"{whose}: {subjects or 'nobody was exposed'}"))
    for each in found["findings"]:
        click.echo()
        click.echo(printable(f"{_SIGNS[each['severity']]} {each['code']}: {each['summary']}"))
        click.echo(printable(f"       {each['advice']}"))
    if not found["findings"]:
        click.echo("Nothing is found.")
