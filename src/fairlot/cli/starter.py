"""`fairlot init`: from an empty folder to an experiment that can be applied."""

import shlex
from importlib.resources import files
from pathlib import Path

import click

from fairlot.cli.credentials import credentials_document, print_credentials
from fairlot.cli.data import opened_store
from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import data_option, json_option, read_settings
from fairlot.cli.output import print_json
from fairlot.manifest.schema import SCHEMA_FILE, read_schema
from fairlot.service.bootstrap import bootstrap

WELCOME = "welcome.yaml"


@click.command
@click.argument(
    "directory", type=click.Path(file_okay=False, path_type=Path), default="experiments"
)
@click.option("--data-only", is_flag=True, help="Make the data directory, and write no experiment.")
@data_option
@json_option
def init(directory: Path, data_only: bool, data_dir: str | None, as_json: bool) -> None:
    """Write DIRECTORY/welcome.yaml, the JSON Schema by which editors complete it, and make the data
    directory.

    DIRECTORY is `experiments` unless named. An experiment file that is there is kept; the schema is
    always that of this version. The token and the admin key of a new data directory are printed
    once.
    """
    settings = read_settings(data_dir)
    written = not data_only and _write_welcome(directory)
    with opened_store(settings) as store:
        credentials = bootstrap(store)
    if as_json:
        print_json(
            {
                "file": None if data_only else str(directory / WELCOME),
                "written": written,
                "schema": None if data_only else str(directory / SCHEMA_FILE),
                "dataDirectory": str(settings.data_dir),
                "credentials": credentials and credentials_document(credentials),
            }
        )
        return
    if not data_only:
        click.echo(f"{'Wrote' if written else 'Kept'} {directory / WELCOME}")
    click.echo(f"Data directory: {settings.data_dir}")
    print_credentials(credentials)
    data = "" if data_dir is None else f" --data {shlex.quote(data_dir)}"
    folder = shlex.quote(str(directory))
    click.echo("\nNext:")
    for command in (f"plan {folder}", f"apply {folder}", "serve"):
        click.echo(f"  fairlot {command}{data}")


def _write_welcome(directory: Path) -> bool:
    """False if it is there already; the schema beside it is written in any case."""
    text = (files("fairlot.cli") / WELCOME).read_text("utf-8")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / SCHEMA_FILE).write_text(read_schema(), "utf-8")
        with (directory / WELCOME).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise CommandFailed(
            f"{directory}: {error.strerror}: name a folder that you may write to"
        ) from error
    return True
