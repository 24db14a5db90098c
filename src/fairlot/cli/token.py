"""`fairlot token`: the publishable tokens that callers send."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import CommandFailed
from fairlot.cli.moments import instant_in_days, instant_now, to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note, print_table

COLUMNS: Final = ("id", "kind", "token", "created", "expires", "last used", "revoked", "origins")
KINDS: Final = ("experiment", "source")
_ENDED: Final = {
    "experiment": "{} assigns nobody until `fairlot token create`.",
    "source": "{} takes no event until `fairlot token create --kind source`.",
}


class NoLiveToken(CommandFailed):
    code = "no_live_token"


_kind_option = click.option(
    "--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What it is for."
)


@click.group(cls=SuggestingGroup)
def token() -> None:
    """Tokens, sent as `token` in the body: the publishable ones of experiments ask for
    assignments, those of sources send events (track, identify, batch).

    To change one without an interruption, create another, move your callers to it, and revoke the
    old one when it is not used any more.
    """


@token.command()
@_kind_option
@org_option
@project_option
@controlled
@json_option
def show(client: ControlClient, kind: str, org: str, project: str, as_json: bool) -> None:
    """Print the newest live token of a project; of a source, the newest that only servers hold."""
    live = [
        each
        for each in client.items(project_path(org, project, "tokens"))
        if each["kind"] == kind and each["allowedOrigins"] is None and _is_live(each)
    ]
    if not live:
        word = "" if kind == KINDS[0] else f" --kind {kind}"
        raise NoLiveToken(
            f"{org}/{project}: has no live {kind} token; make one with `fairlot token create{word}`"
        )
    text = live[-1]["token"]
    if as_json:
        print_json({"org": org, "project": project, "token": text})
    else:
        click.echo(text)


@token.command(name="list")
@org_option
@project_option
@controlled
@json_option
def show_all(client: ControlClient, org: str, project: str, as_json: bool) -> None:
    """List the tokens of a project, the ended ones too."""
    found = list(client.items(project_path(org, project, "tokens")))
    if as_json:
        print_json({"tokens": found})
    else:
        print_table(COLUMNS, [_row(each) for each in found])


@token.command()
@_kind_option
@click.option(
    "--allow-origin",
    "allowed_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of https://HOST use a source token; may be repeated. What they send is marked"
    " as public.",
)
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="[default: never]")
@org_option
@project_option
@controlled
@json_option
def create(
    client: ControlClient,
    kind: str,
    allowed_origins: tuple[str, ...],
    expires_in_days: int | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Make a token beside those that the project has, and print it."""
    ends = None if expires_in_days is None else instant_in_days(expires_in_days)
    path = project_path(org, project, "tokens")
    asked = {"expiresAt": ends, "kind": kind, "allowedOrigins": [*allowed_origins] or None}
    created = client.request("POST", path, asked).json
    if as_json:
        print_json(created)
    else:
        click.echo(created["token"])


@token.command()
@click.argument("token_id", metavar="ID")
@click.option("--in-days", type=click.IntRange(1, 3650), required=True, help="Counted from now.")
@org_option
@project_option
@controlled
@json_option
def expire(
    client: ControlClient, token_id: str, in_days: int, org: str, project: str, as_json: bool
) -> None:
    """Let the token ID end at another moment, sooner or later than it would."""
    path = project_path(org, project, "tokens", token_id, "expire")
    changed = client.change("POST", path, {"expiresAt": instant_in_days(in_days)}).json
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{token_id} ends at {changed['expiresAt']}.")


@token.command()
@click.argument("token_id", metavar="ID")
@org_option
@project_option
@controlled
@json_option
def revoke(client: ControlClient, token_id: str, org: str, project: str, as_json: bool) -> None:
    """Revoke the token ID, which `fairlot token list` shows. It is for good, also the last one.

    Running workers refuse the token within their poll interval.
    """
    path = project_path(org, project, "tokens", token_id, "revoke")
    changed = client.change("POST", path).json
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Revoked {token_id}.")
    if changed["liveTokens"] == 0:
        print_note(f"It was the last one: {_ENDED[changed['kind']].format(f'{org}/{project}')}")


def _is_live(each: Mapping[str, Any]) -> bool:
    ends = each["expiresAt"]
    return not each["revoked"] and (ends is None or ends > instant_now())


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    times = (each["createdAt"], each["expiresAt"], each["lastUsedAt"], each["revokedAt"])
    origins = " ".join(each["allowedOrigins"] or ())
    return (each["id"], each["kind"], each["token"], *map(to_the_minute, times), origins)
