"""`fairlot events`: what the event log holds, printed."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import URL_VARIABLE
from fairlot.cli.data import existing_store
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import data_option, json_option
from fairlot.cli.output import print_json, print_note, print_table
from fairlot.events import Event, event_columns
from fairlot.manifest.instants import write_instant
from fairlot.manifest.problems import printable, suggestion
from fairlot.store import Store
from fairlot.store.experiments import experiments_of
from fairlot.store.tenants import all_projects
from fairlot.warehouse.log import (
    SenderFigures,
    read_conversions,
    read_exposures,
    read_identities,
    read_senders,
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "exposures": (
        "received_at",
        "experiment_key",
        "variant_key",
        "reason",
        "subject_id",
        "event_id",
    ),
    "conversions": ("received_at", "event_name", "value", "subject_id", "event_id"),
    "identities": ("received_at", "subject_id", "user_id", "event_id"),
}
SENDER_COLUMNS = (
    "sender",
    "source",
    "batches",
    "events",
    "missing batches",
    "lost events",
    "dropped by the sender",
    "last seen",
)
_READERS: Mapping[str, Callable[[Path], Iterable[Event]]] = {
    "exposures": read_exposures,
    "conversions": read_conversions,
    "identities": read_identities,
}


class _EventsGroup(SuggestingGroup):
    """Its commands are imported to run them, since printing events is what is done mostly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["compact", "export"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from fairlot.cli.lake import compact_command, export_command

        return {"compact": compact_command, "export": export_command}.get(cmd_name)


@click.group(cls=_EventsGroup, invoke_without_command=True)
@click.option(
    "--kind", type=click.Choice(list(COLUMNS)), help="What to print.  [default: exposures]"
)
@click.option("--experiment", metavar="KEY", help="Only exposures of this one.  [default: all]")
@click.option("--senders", is_flag=True, help="What arrived of each sender, and what did not.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many.  [default: all]")
@data_option
@json_option
@click.pass_context
def events(
    context: click.Context,
    kind: str | None,
    experiment: str | None,
    senders: bool,
    limit: int | None,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Print the recorded events, in the order in which they were received.

    Reads the files of all workers, also while the server runs; not those of a server elsewhere.
    """
    if context.invoked_subcommand is not None:
        _refuse_before(context)
        return
    _refuse_together(kind, experiment, senders)
    if data_dir is None and URL_VARIABLE in os.environ:
        print_note(f"These are the events of the data directory here, not of {URL_VARIABLE}.")
    with existing_store(data_dir) as (settings, store):
        if experiment is not None:
            _note_unknown(store, experiment)
    if senders:
        _print_senders(islice(read_senders(settings.events_dir), limit), as_json)
        return
    found = (
        _READERS[kind or "exposures"](settings.events_dir)
        if experiment is None
        else read_exposures(settings.events_dir, experiment_key=experiment)
    )
    rows = (_row(event_columns(event)) for event in islice(found, limit))
    if as_json:
        _print_json_rows(rows)
    else:
        _print_lines(COLUMNS[kind or "exposures"], rows)


def _refuse_before(context: click.Context) -> None:
    given = [name for name, value in context.params.items() if value]
    if given:
        raise InvalidArgument(
            f"{context.invoked_subcommand}: takes its own options; write them after its name"
        )


def _refuse_together(kind: str | None, experiment: str | None, senders: bool) -> None:
    if senders and (kind or experiment):
        raise InvalidArgument("--senders: counts all kinds together; leave --kind and --experiment")
    if experiment and kind not in (None, "exposures"):
        raise InvalidArgument(f"--experiment: {kind} belong to no experiment; leave it out")


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


def _print_lines(columns: tuple[str, ...], rows: Iterator[dict[str, Any]]) -> None:
    click.echo("\t".join(columns))
    for row in rows:
        click.echo("\t".join(printable(row.get(name, "")) for name in columns))


def _print_senders(found: Iterator[SenderFigures], as_json: bool) -> None:
    if as_json:
        print_json({"senders": [_document(sender) for sender in found]})
    else:
        print_table(SENDER_COLUMNS, [_cells(sender) for sender in found])


def _document(sender: SenderFigures) -> dict[str, object]:
    columns: dict[str, object] = sender._asdict()
    del columns["last_seen_ms"]
    return columns | {"last_seen": write_instant(sender.last_seen_ms)}


def _cells(sender: SenderFigures) -> tuple[object, ...]:
    return (
        sender.sender_id,
        sender.source or "-",
        sender.batches,
        sender.events,
        sender.missing_batches,
        sender.lost_events,
        sender.dropped,
        write_instant(sender.last_seen_ms),
    )
