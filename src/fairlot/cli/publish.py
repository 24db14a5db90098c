"""`fairlot publish`: what clients decide by, on this server and on a static host."""

from pathlib import Path

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.cli.static_files import write_static_files


@click.command()
@click.option("--note", help="A line for those who read the list of versions.")
@click.option(
    "--static",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write manifest.json, jwks.json and revocations.json there, for any static host.",
)
@org_option
@project_option
@controlled
@json_option
def publish(
    client: ControlClient,
    note: str | None,
    folder: Path | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Publish what is stored, if the newest version does not say so already.

    Applying and every other change publishes by itself; this is for --static, and after an upgrade.
    """
    asked = {} if note is None else {"note": note}
    done = client.change("POST", project_path(org, project, "manifests"), asked).json
    if folder is not None:
        documents = client.request("GET", project_path(org, project, "static-manifest")).json
        try:
            write_static_files(folder, documents)
        except OSError as error:
            fix = "name a folder that you may write to"
            raise InvalidArgument(f"{folder}: {error.strerror}; {fix}") from error
        done |= {"folder": str(folder), "written": documents["version"]}
    if as_json:
        print_json(done)
        return
    if done["published"]:
        click.echo(f"Published version {done['version']} of {org}/{project}.")
    else:
        click.echo(f"Nothing to publish: version {done['version']} of {org}/{project} says it all.")
    if folder is not None:
        click.echo(f"Wrote version {done['written']} to {folder}.")
