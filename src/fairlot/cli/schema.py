"""`fairlot schema`: the JSON Schema of experiment files, for editors."""

import click

from fairlot.cli.options import data_option, json_option
from fairlot.manifest.schema import read_schema


@click.command
@data_option
@json_option
def schema(**_: object) -> None:
    """Print the JSON Schema of experiment files, for editors. It is JSON with and without --json,
    and needs no data.

    An editor with the YAML language server uses it where a file begins with the line
    `# yaml-language-server: $schema=./fairlot.schema.json`. `fairlot init` writes both.
    """
    click.echo(read_schema(), nl=False)
