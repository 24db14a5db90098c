"""`fairlot experiments`: what runs, and what is done to it; `fairlot kill` for emergencies."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, ControlRefused, controlled
from fairlot.cli.documents import Noun, add_document_commands, reason_option
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.service.lifecycle import NEEDS_REASON, Action, State

_KILLED: Final = (
    "The workers of the server leave it out within their poll interval; SDKs when they fetch the"
    " manifest again."
)
# What stands after the key when an action is done.
_DONE: Final = {
    Action.SUBMIT: "is in review",
    Action.APPROVE: "is approved",
    Action.REJECT: "is a draft again",
    Action.START: "runs",
    Action.PAUSE: "is paused",
    Action.RESUME: "runs again",
    Action.COMPLETE: "is completed",
    Action.KILL: "is killed",
}
_HELP: Final = {
    Action.SUBMIT: "Ask for a review of the draft KEY.",
    Action.APPROVE: "Approve KEY. Whoever wrote in it since it was last approved cannot.",
    Action.REJECT: "Send KEY back to draft, and say why.",
    Action.START: "Start KEY.",
    Action.PAUSE: "Pause KEY: nobody gets a variant, and nobody is forgotten.",
    Action.RESUME: "Resume the paused KEY.",
    Action.COMPLETE: "Complete KEY, for good.",
    Action.KILL: "End KEY at once, for good.",
}


def _row(item: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        item["key"],
        item["status"],
        item["revision"],
        item["owner"] or "-",
        to_the_minute(item["updatedAt"]),
        item["name"],
    )


def _title(found: Mapping[str, Any], newest: Mapping[str, Any]) -> str:
    why = f" ({found['statusReason']})" if found["statusReason"] else ""
    revision = f"revision {newest['number']} ({newest['action']} by {newest['author']})"
    written = f", written by {found['author']}" if found["author"] else ""
    approved = f", approved by {found['approvedBy']}" if found["approvedBy"] else ""
    return f"{found['key']}: {found['status']}{why}, {revision}{written}{approved}"


NOUN: Final = Noun(
    "experiment",
    "experiments",
    ("key", "status", "revision", "owner", "updated", "name"),
    _row,
    _title,
)


@click.group(cls=SuggestingGroup)
def experiments() -> None:
    """Experiments: list and show them, start and end them, go back to what they were.

    What they say is written in files: see `fairlot apply`.
    """


@experiments.command(name="list")
@click.option("--status", type=click.Choice([state.value for state in State]))
@click.option("--search", metavar="TEXT", help="In key, name, owner and tags.")
@org_option
@project_option
@controlled
@json_option
def show_experiments(
    client: ControlClient,
    status: str | None,
    search: str | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """List the experiments of a project."""
    query = {"status": status, "search": search}
    found = list(client.items(NOUN.path(org, project), query))
    if as_json:
        print_json({"experiments": found})
    else:
        print_table(NOUN.columns, [NOUN.row(each) for each in found])


def _action_command(action: Action, *, name: str | None = None) -> click.Command:
    @click.command(name=name or action.value, help=_HELP[action])
    @click.argument("key")
    @(_needed_reason if action in NEEDS_REASON else reason_option)
    @_revision_option
    @org_option
    @project_option
    @controlled
    @json_option
    def command(
        client: ControlClient,
        key: str,
        reason: str | None,
        revision: int | None,
        org: str,
        project: str,
        as_json: bool,
    ) -> None:
        path = NOUN.path(org, project, key, "actions", action.value)
        done = _done(client, path, {"reason": reason}, key, revision)
        _print_done(done, f"{key} {_DONE[action]}", as_json)
        if action is Action.KILL and not as_json:
            click.echo(_KILLED)

    return command


def _done(
    client: ControlClient,
    path: str,
    asked: Mapping[str, Any],
    key: str,
    revision: int | None,
) -> Mapping[str, Any]:
    """Only while `revision` is the newest, if it is given."""
    headers = {} if revision is None else {"if-match": f'"{revision}"'}
    try:
        done: Mapping[str, Any] = client.change("POST", path, asked, headers).json
    except ControlRefused as refused:
        newest = refused.problem.get("current")
        if newest is None:
            raise
        detail = f"{key} is at revision {newest['revision']} by now: look at it first"
        raise ControlRefused(refused.status, {**refused.problem, "detail": detail}) from refused
    return done


_revision_option = click.option(
    "--revision",
    type=click.IntRange(1),
    help="The revision that you have looked at: when there is a newer one nothing is done.",
)
_needed_reason = click.option("--reason", required=True, help="Why; it is shown with it.")
for _action in _HELP:
    experiments.add_command(_action_command(_action))
kill = _action_command(Action.KILL)


@experiments.command()
@click.argument("key")
@click.argument("variant", required=False)
@click.option("--end", is_flag=True, help="End the rollout, in place of naming a variant.")
@reason_option
@org_option
@project_option
@controlled
@json_option
def rollout(
    client: ControlClient,
    key: str,
    variant: str | None,
    end: bool,
    reason: str | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Give VARIANT of the completed KEY to everybody whom it concerns, or end that."""
    if end == (variant is not None):
        raise InvalidArgument("VARIANT, --end: name one of the two")
    asked = {"variant": variant, "reason": reason}
    path = NOUN.path(org, project, key, "actions", Action.ROLLOUT.value)
    done = client.change("POST", path, asked).json
    what = f"gives {variant} to everybody" if variant else "gives nothing to anybody any more"
    _print_done(done, f"{key} {what}", as_json)


@experiments.command(name="drop-looks")
@click.argument("key")
@click.option("--reason", required=True, help="Why; each later result says so.")
@org_option
@project_option
@controlled
@json_option
def drop_looks(
    client: ControlClient, key: str, reason: str, org: str, project: str, as_json: bool
) -> None:
    """Drop the stored looks of KEY, and its caps, so that they are made anew.

    For an experiment whose events were incomplete when a result was first asked for. The plan
    stays, and so does what metrics meant.
    """
    dropped = client.change("POST", NOUN.path(org, project, key, "drop-looks"), {"reason": reason})
    found = dropped.json
    if as_json:
        print_json(found)
        return
    caps = f", and the caps of {', '.join(found['caps'])}" if found["caps"] else ""
    click.echo(f"{found['looks']} looks of {key} are dropped{caps}; the next result says so.")


def _print_done(done: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    version = done["version"]
    published = "" if version is None else f" Published version {version}."
    click.echo(f"{sentence}.{published}")


add_document_commands(experiments, NOUN)
