"""`fairlot events compact` and `export`: the event log as Parquet, and as files for others."""

import time
from datetime import date, datetime
from pathlib import Path

import click

from fairlot.cli.data import existing_store
from fairlot.cli.errors import CommandFailed, InvalidArgument
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_left_out, print_note
from fairlot.manifest.problems import suggestion
from fairlot.store import Store
from fairlot.store.tenants import all_projects, find_project
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake import EventKind, compact, open_lake
from fairlot.warehouse.lake.exporting import ExportFormat, export_events
from fairlot.warehouse.lake.joining import join_files

_WITHIN_S = 60.0
_SUFFIXES = {
    ".parquet": ExportFormat.PARQUET,
    ".jsonl": ExportFormat.JSON_LINES,
    ".ndjson": ExportFormat.JSON_LINES,
    ".csv": ExportFormat.CSV,
}
_day = click.DateTime(["%Y-%m-%d"])


class LakeBusy(CommandFailed):
    code = "lake_busy"


@click.command("compact")
@data_option
@json_option
def compact_command(data_dir: str | None, as_json: bool) -> None:
    """Move the recorded events into Parquet now, and join the files of each day.

    A server does both by itself. It may run meanwhile.
    """
    with existing_store(data_dir) as (settings, _):
        directory = settings.events_dir
    if not directory.is_dir():
        raise CommandFailed(f"{directory}: no events were recorded here yet")
    try:
        done = compact(directory, within_s=_WITHIN_S)
    except OSError as error:
        problem = f"{directory}: cannot be written ({error.strerror}); free space on its disk"
        raise CommandFailed(problem) from error
    if done is None:
        raise LakeBusy(f"{directory}: another process is at it; try again in a minute")
    joined = join_files(directory, now_ms=time.time_ns() // 1_000_000)
    unusable = [str(path) for path in done.unusable]
    if as_json:
        figures = {"events": done.events, "repeated": done.repeated, "files": done.files}
        print_json({**figures, "joined": joined, "unusable": unusable})
    else:
        click.echo(
            f"{done.events} events moved into {done.files} files, {done.repeated} repeats dropped,"
            f" {joined} files joined to others."
        )
    for path, problem in done.unusable.items():
        print_note(problem if str(path) in problem else f"{path}: {problem}")


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice([each.value for each in EventKind]),
    default=EventKind.EXPOSURES.value,
    show_default=True,
    help="What to export.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([each.value for each in ExportFormat]),
    help="Parquet, a JSON object a line, or CSV.  [default: by the name of the file]",
)
@click.option("--since", type=_day, help="The first day of receipt, in UTC.  [default: all]")
@click.option("--until", type=_day, help="The last day.  [default: all]")
@click.option(
    "--include-gpc",
    is_flag=True,
    help="Also those that came with `Sec-GPC: 1`, which are not to be handed on.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@project_option
@org_option
@data_option
@json_option
def export_command(
    file: Path,
    kind: str,
    format_: str | None,
    since: datetime | None,
    until: datetime | None,
    include_gpc: bool,
    force: bool,
    project: str,
    org: str,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Write the events of a project, received on some days, to FILE.

    Reads what is in Parquet and what is not yet, each event once, also while the server runs. What
    came with `Sec-GPC: 1` is left out: who sends it does not want to be handed on.
    """
    chosen = _format_of(file, format_)
    if file.exists() and not force:
        raise InvalidArgument(f"{file}: is there already; name another file, or add --force")
    with existing_store(data_dir) as (settings, store):
        project_id = _project_id(store, org, project)
    with open_lake(settings.events_dir, project_id) as lake:
        try:
            events, left_out = export_events(
                lake,
                EventKind(kind),
                file,
                chosen,
                since=since.date() if since else date.min,
                until=until.date() if until else date.max,
                with_private=include_gpc,
            )
        except OSError as error:
            problem = f"{file}: cannot be written ({error.strerror}); name another place"
            raise CommandFailed(problem) from error
        except UnusableLogFile as error:
            raise CommandFailed(str(error)) from error
    if as_json:
        unreadable = [{"file": str(each.path), "problem": each.problem} for each in lake.unreadable]
        figures = {"events": events, "leftOut": left_out}
        print_json({"file": str(file), **figures, "unreadable": unreadable})
    else:
        click.echo(f"{events} {kind} written to {file}.")
    if left_out:
        print_note(
            f"{left_out} recorded under Sec-GPC are left out; --include-gpc writes them too, for"
            " results that are computed elsewhere"
        )
    elif events == 0 and (since or until):
        print_note(
            "--since and --until are days of receipt, in UTC, and not of when events happened;"
            " leave them out to see all"
        )
    for each in lake.unreadable:
        print_left_out(each.path)


def _format_of(file: Path, format_: str | None) -> ExportFormat:
    if format_ is not None:
        return ExportFormat(format_)
    if file.suffix.lower() not in _SUFFIXES:
        names = ", ".join(_SUFFIXES)
        raise InvalidArgument(f"{file}: end its name with one of {names}, or give --format")
    return _SUFFIXES[file.suffix.lower()]


def _project_id(store: Store, org: str, key: str) -> str:
    with store.reading() as connection:
        found = find_project(connection, org, key)
        known = [f"{each.organization_key}/{each.key}" for each in all_projects(connection)]
    if found is None:
        raise InvalidArgument(f"{org}/{key}: no such project; {suggestion(f'{org}/{key}', known)}")
    return found.id
