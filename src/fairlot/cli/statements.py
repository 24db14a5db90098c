"""`fairlot sql`: the query behind a result."""

from typing import Final

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.manifest.problems import printable

ENGINES: Final = (
    "duckdb",
    "postgres",
    "spark",
    "databricks",
    "bigquery",
    "snowflake",
    "clickhouse",
)


@click.command()
@click.argument("experiment")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="duckdb",
    show_default=True,
    help="Whose SQL to write.",
)
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="A day, up to its end, as in 2026-11-28, or an RFC 3339 instant.  [default: now]",
)
@click.option("--segment", metavar="COLUMN", help="Split by device, source or properties.NAME.")
@click.option("--so-far", is_flag=True, help="Of a result whose view is so_far.")
@org_option
@project_option
@controlled
@json_option
def sql(
    client: ControlClient,
    experiment: str,
    engine: str,
    as_of: str | None,
    segment: str | None,
    so_far: bool,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Print the query behind the result of EXPERIMENT, and run nothing.

    It reads tables exposures, conversions and identities with the public columns of the event log.
    """
    path = project_path(org, project, "experiments", experiment, "sql")
    query = {
        "engine": engine,
        "as_of": as_of,
        "segment": segment,
        "view": "so_far" if so_far else None,
    }
    found = client.request("GET", path, query=query).json
    if as_json:
        print_json(found)
    else:
        click.echo(_about(experiment, engine, as_of))
        click.echo(found["sql"])


def _about(experiment: str, engine: str, as_of: str | None) -> str:
    moment = "now" if as_of is None else printable(as_of)
    lines = (
        f"The result of {printable(experiment)} as of {moment}, in the SQL of {engine}: a row for",
        "each variant and day of first exposure, with what the statistics are made from.",
        "Reads the tables exposures, conversions and identities, with the columns of the event",
        "log; an empty one has to be there too (of files: docs/reference/lake.md).",
    )
    return "\n".join(f"-- {line}" for line in lines)
