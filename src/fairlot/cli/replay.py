"""`fairlot replay`: whether what was recorded is what the stored manifests draw."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from fairlot.cli.control import URL_FLAGS, control_options, opened_control, project_path
from fairlot.cli.errors import CommandFailed
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_left_out, print_note, print_table
from fairlot.manifest.instants import write_instant
from fairlot.manifest.problems import printable
from fairlot.service.replay.report import CAUSES, NOT_CHECKED

VERSION_COLUMNS: Final = ("version", "exposures", "disagreed", "stored as signed", "revoked")
LISTED_COLUMNS: Final = ("event", "at", "unit", "version", "reason", "recorded", "drawn")
EXAMPLES: Final = 3
_WHY: Final = {str(code): why for code, why in (*CAUSES.items(), *NOT_CHECKED.items())}


class ReplayDisagrees(CommandFailed):
    code = "replay_disagrees"


class ReplayIncomplete(CommandFailed):
    code = "replay_incomplete"


@click.command
@click.argument("experiment", required=False)
@click.option(
    "--listed",
    type=click.IntRange(0, 10_000),
    default=100,
    show_default=True,
    help="How many disagreements to explain; --json has them one by one.",
)
@click.option("--sql", is_flag=True, help="Print the hash as DuckDB macros, and do nothing else.")
@org_option
@project_option
@control_options(*URL_FLAGS)
@json_option
def replay(
    experiment: str | None,
    listed: int,
    sql: bool,
    org: str,
    project: str,
    data_dir: str | None,
    server_url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Draw every recorded exposure of EXPERIMENT again, from the version that it names.

    Hash, ranges and rates are computed from the stored manifests; what was recorded is compared
    and never believed. `holdout` replays the holdout. The exit code is 1 when one disagrees, or
    when files of the event log cannot be read, so that what they hold was not compared.
    """
    if sql:
        from fairlot.warehouse.hashing_sql import MACROS

        click.echo(MACROS, nl=False)
        return
    if experiment is None:
        raise click.UsageError("name an experiment, or --sql")
    path = project_path(org, project, "experiments", experiment, "replay")
    with opened_control(data_dir, server_url, api_key) as client:
        found = client.request("GET", path, query={"listed": listed}).json
    if as_json:
        print_json(found)
        click.get_current_context().exit(1 if found["disagreed"] or found["unreadable"] else 0)
    _print_report(found)
    if found["disagreed"]:
        raise ReplayDisagrees(
            f"{experiment}: {found['disagreed']} of {found['exposures']} exposures are not what"
            " the stored manifests draw"
        )
    if found["unreadable"]:
        raise ReplayIncomplete(
            f"{experiment}: {len(found['unreadable'])} file(s) of events cannot be read, and what"
            " they hold was not compared"
        )


def _print_report(found: Mapping[str, Any]) -> None:
    click.echo(
        f"{printable(found['project'])} {printable(found['experiment'])}:"
        f" {found['exposures']} exposure(s) of"
        f" {found['units']} unit(s): {found['agreed']} agree, {found['disagreed']} disagree,"
        f" {sum(found['notChecked'].values())} cannot be checked."
    )
    for name, count in {**found["causes"], **found["notChecked"]}.items():
        why = _WHY.get(name)
        click.echo(f"  {count} {printable(name)}{'' if why is None else f': {why}'}")
    if found["versions"]:
        click.echo()
        print_table(VERSION_COLUMNS, [_version_row(each) for each in found["versions"]])
    for each in found["versions"]:
        if each["problem"] is not None:
            print_note(printable(f"version {each['version']}: {each['problem']}"))
    for file in found["unreadable"]:
        print_left_out(file)
    _print_explanations(found["disagreements"], found["disagreed"])


def _print_explanations(disagreements: Sequence[Mapping[str, Any]], of: int) -> None:
    """Equal ones once, the most frequent first, with a few examples."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for each in disagreements:
        groups.setdefault(each["likely"], []).append(each)
    shown = len(disagreements)
    for likely, own in sorted(groups.items(), key=lambda group: -len(group[1])):
        among = f" of the first {shown} (of {of})" if shown < of else ""
        click.echo(f"\n{len(own)}{among}: {printable(likely)}")
        print_table(LISTED_COLUMNS, [_listed_row(each) for each in own[:EXAMPLES]])


def _version_row(each: Mapping[str, Any]) -> tuple[object, ...]:
    revoked = "-"
    if each["revokedAtMs"] is not None:
        moment = to_the_minute(write_instant(each["revokedAtMs"]))
        revoked = f"{moment}, {each['afterRevocation']} after"
    stored = "no" if each["isAltered"] else "yes"
    return each["version"], each["exposures"], each["disagreed"], stored, revoked


def _listed_row(each: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        each["eventId"],
        to_the_minute(write_instant(each["atMs"])),
        each["unitId"],
        each["version"],
        each["reason"],
        each["variant"],
        each["expected"] or "none",
    )
