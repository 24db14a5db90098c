"""`fairlot report`: what an experiment did."""

import shutil
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, progress
from fairlot.cli.reporting.intervals import ASCII, UNICODE
from fairlot.cli.reporting.text import ReportStyle, report_text
from fairlot.stats.results import ExperimentResult

_WIDEST: Final = 110


@click.command
@click.argument("experiment")
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="A day, up to its end, as in 2026-11-28, or an RFC 3339 instant.  [default: now]",
)
@click.option(
    "--segment",
    metavar="NAME",
    help="Split by device, by source, or by properties.NAME of the first exposure.",
)
@click.option(
    "--engine",
    metavar="NAME",
    help="duckdb reads the event log, postgres the warehouse that warehouse_url names."
    "  [default: duckdb]",
)
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as one HTML file too, with its plots.",
)
@org_option
@project_option
@controlled
@json_option
def report(
    client: ControlClient,
    experiment: str,
    as_of: str | None,
    segment: str | None,
    engine: str | None,
    html_file: Path | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Say what EXPERIMENT did: the verdict in one sentence, the figures, the intervals drawn.

    The verdict is safe to look at every day. Counted are subjects whose time to convert is over,
    and the daily looks are kept: asking again does not change them.
    """
    path = project_path(org, project, "experiments", experiment, "results")
    with progress("results"):
        query = {"as_of": as_of, "segment": segment, "engine": engine}
        answer = client.request("GET", path, query=query)
    result = msgspec.json.decode(answer.body, type=ExperimentResult)
    if html_file is not None:
        _write_html(html_file, result)
    if as_json:
        print_json(answer.json)
    else:
        print_result(result)
        if html_file is not None:
            click.echo(f"\nWrote {html_file}")


def print_result(result: ExperimentResult) -> None:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    strokes = UNICODE if _takes_unicode() else ASCII
    style = ReportStyle(width=width, colour=sys.stdout.isatty(), strokes=strokes)
    click.echo(report_text(result, style))


def _takes_unicode() -> bool:
    try:
        "├─●┤┊".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _write_html(path: Path, result: ExperimentResult) -> None:
    # Imported here: the plots are for this option only.
    from fairlot.cli.reporting.page import report_html

    html = report_html(result)
    try:
        path.write_text(html, "utf-8")
    except OSError as error:
        raise CommandFailed(
            f"{path}: {error.strerror}: name a file in a folder that you may write to"
        ) from error
