"""`fairlot token`: the publishable token that callers send."""

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.data import existing_store
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.service.access import experiment_token


@click.group(cls=SuggestingGroup)
def token() -> None:
    """The experiment token: publishable, sent as `token` in the body of an assignment request."""


@token.command()
@org_option
@project_option
@data_option
@json_option
def show(org: str, project: str, data_dir: str | None, as_json: bool) -> None:
    """Print the experiment token of a project."""
    with existing_store(data_dir) as (_, store):
        text = experiment_token(store, org, project)
    if as_json:
        print_json({"org": org, "project": project, "token": text})
    else:
        click.echo(text)
