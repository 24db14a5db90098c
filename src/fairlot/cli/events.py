"""`fairlot events`: what the event log holds."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import click

from fairlot.cli.data import existing_store
from fairlot.cli.options import data_option, json_option
from fairlot.cli.output import print_note
from fairlot.events import exposure_columns
from fairlot.manifest.problems import suggestion
from fairlot.store import Store
from fairlot.store.experiments import experiments_of
from fairlot.store.tenants import all_projects
from fairlot.warehouse.log import read_exposures

COLUMNS = ("received_at", "experiment_key", "variant_key", "reason", "subject_id", "event_id")


@click.command
@click.option("--experiment", metavar="KEY", help="Only of this experiment.  [default: all]")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many.  [default: all]")
@data_option
@json_option
def events(experiment: str | None, limit: int | None, data_dir: str | None, as_json: bool) -> None:
    """Print the recorded exposures, in the order in which they were received.

    Reads the files of all workers, also while the server runs.
    """
    with existing_store(data_dir) as (settings, store):
        if experiment is not None:
            _note_unknown(store, experiment)
        found = read_exposures(settings.events_dir, experiment_key=experiment)
    rows = (_row(exposure_columns(exposure)) for exposure in islice(found, limit))
    if as_json:
        _print_json_rows(rows)
    else:
        _print_lines(rows)


def _note_unknown(store: Store, key: str) -> None:
    with store.reading() as connection:
        known = {
            each for row in all_projects(connection) for each in experiments_of(connection, row.id)
        }
    if key not in known:
        hint = suggestion(key, known) if known else "nothing was applied yet"
        print_note(f"{key}: no such experiment; {hint}")


def _row(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in columns.items()
        if value is not None
    }


def _print_json_rows(rows: Iterator[dict[str, Any]]) -> None:
    """One document, one event a line, written while it is read."""
    click.echo('{"events": [', nl=False)
    for number, row in enumerate(rows):
        click.echo(("," if number else "") + "\n" + json.dumps(row), nl=False)
    click.echo("\n]}")


def _print_lines(rows: Iterator[dict[str, Any]]) -> None:
    click.echo("\t".join(COLUMNS))
    for row in rows:
        click.echo("\t".join(str(row[name]) for name in COLUMNS))
