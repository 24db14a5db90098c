"""`fairlot validate` and `fairlot apply`: a folder of experiment files."""

import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from fairlot.cli.credentials import credentials_document, print_credentials
from fairlot.cli.data import opened_store
from fairlot.cli.errors import InvalidExperiments, NotConfirmed
from fairlot.cli.options import data_option, json_option, org_option, project_option, read_settings
from fairlot.cli.output import print_json, print_table, progress
from fairlot.manifest import ExperimentSpec, SpecProblem, read_directory
from fairlot.service.bootstrap import FirstCredentials, bootstrap
from fairlot.service.publishing import ApplyResult, ChangeKind, Refused, apply_specs
from fairlot.store import Store

directory_argument = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@click.command
@directory_argument
@data_option
@json_option
def validate(directory: Path, data_dir: str | None, as_json: bool) -> None:
    """Check every experiment file under DIRECTORY, and name all problems of all files at once.

    Needs no data directory; --data is accepted so that every command takes it.
    """
    specs = read_valid_experiments(directory)
    if as_json:
        print_json({"valid": True, "experiments": [spec.experiment.key for spec in specs]})
        return
    click.echo(f"{len(specs)} experiment(s), no problems.")


@click.command
@directory_argument
@click.option("--yes", is_flag=True, help="Do not ask before publishing.")
@org_option
@project_option
@data_option
@json_option
def apply(
    directory: Path, yes: bool, org: str, project: str, data_dir: str | None, as_json: bool
) -> None:
    """Show what DIRECTORY would change, ask, and publish all of it or nothing."""
    if as_json and not yes:
        raise NotConfirmed("nobody is asked with --json: add --yes to publish")
    specs = read_valid_experiments(directory)
    with opened_store(read_settings(data_dir)) as store:
        credentials = bootstrap(store)
        if not as_json:
            print_credentials(credentials)
        planned = apply_experiments(store, org, project, specs, dry_run=True)
        count = _count_changed(planned)
        if not as_json:
            _print_changes(planned)
        if count and not yes:
            _ask(count)
        result = apply_experiments(store, org, project, specs) if count else planned
    _print_result(result, credentials, as_json)


def read_valid_experiments(directory: Path) -> tuple[ExperimentSpec, ...]:
    """The experiments of a folder. Raises InvalidExperiments with every problem found."""
    with progress("reading"):
        specs, problems = read_directory(directory)
    if problems:
        raise _invalid(problems)
    if not specs:
        raise InvalidExperiments(f"{directory}: no experiment in any .yaml or .yml file under it")
    return specs


def apply_experiments(
    store: Store,
    org: str,
    project: str,
    specs: tuple[ExperimentSpec, ...],
    *,
    dry_run: bool = False,
) -> ApplyResult:
    """Publish in one transaction. Raises InvalidExperiments with all that the store refuses."""
    now_ms = time.time_ns() // 1_000_000
    try:
        with progress("comparing" if dry_run else "publishing"):
            return apply_specs(store, org, project, specs, now_ms=now_ms, dry_run=dry_run)
    except Refused as error:
        raise _invalid(error.problems) from error


def _invalid(problems: tuple[SpecProblem, ...]) -> InvalidExperiments:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return InvalidExperiments(
        f"{len(problems)} problem(s) to correct, and nothing was changed:\n{lines}",
        {"problems": [asdict(problem) for problem in problems]},
    )


def _print_changes(planned: ApplyResult) -> None:
    rows = [(change.key, change.kind, ", ".join(change.fields)) for change in planned.changes]
    print_table(("experiment", "change", "fields"), rows)


def _count_changed(result: ApplyResult) -> int:
    return sum(change.kind is not ChangeKind.UNCHANGED for change in result.changes)


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed("nobody is here to be asked: add --yes to publish")
    if not click.confirm(f"Publish {count} change(s)?", default=False):
        raise NotConfirmed("nothing was published")


def _print_result(result: ApplyResult, credentials: FirstCredentials | None, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "credentials": credentials and credentials_document(credentials),
                "version": result.version,
                "changes": [
                    {"key": change.key, "kind": str(change.kind), "fields": list(change.fields)}
                    for change in result.changes
                ],
            }
        )
    elif not _count_changed(result):
        click.echo("Nothing to publish.")
    elif result.version is None:
        click.echo("Saved. Clients see no change, so there is no new version.")
    else:
        click.echo(f"Published version {result.version}.")
