"""`fairlot validate` and `fairlot apply`: a folder of experiment files."""

import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from fairlot.cli.data import existing_store
from fairlot.cli.errors import InvalidExperiments, NotConfirmed
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table, progress
from fairlot.engine import Experiment, Status
from fairlot.manifest.definitions import DEFINITION_KINDS
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import read_source_files
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.applying import ApplyResult, apply_specs
from fairlot.service.planning import ChangeKind
from fairlot.service.refusals import Refused
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store

_HOW_PUBLISHED = {
    Status.RUNNING: ("still running", " (set status: completed to end it)"),
    Status.PAUSED: ("still paused", " (set status: completed to end it)"),
    Status.COMPLETED: ("still rolled out", ""),
}


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@data_option
@json_option
def validate(path: Path, data_dir: str | None, as_json: bool) -> None:
    """Check every experiment file under PATH, and name all problems of all files at once.

    PATH is a folder or one file. Needs no data directory; --data is accepted so that every
    command takes it.
    """
    documents = read_valid_documents(path)
    definitions = [written.definition for written in documents.definitions]
    if as_json:
        print_json(
            {
                "valid": True,
                "experiments": [spec.experiment.key for spec in documents.experiments],
                "definitions": [{"kind": str(each.kind), "key": each.key} for each in definitions],
            }
        )
        return
    counts = Counter(each.kind for each in definitions)
    said = [f"{len(documents.experiments)} experiment(s)"]
    said += [f"{counts[kind]} {kind}(s)" for kind in DEFINITION_KINDS if counts[kind]]
    click.echo(f"{', '.join(said)}, no problems.")


@click.command
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before publishing.")
@org_option
@project_option
@data_option
@json_option
def apply(
    directory: Path, yes: bool, org: str, project: str, data_dir: str | None, as_json: bool
) -> None:
    """Show what DIRECTORY would change, ask, and publish all of it or nothing.

    Published experiments without a file in DIRECTORY stay as they are, and are named.
    """
    if as_json and not yes:
        raise NotConfirmed("nobody is asked with --json: add --yes to publish")
    specs = read_valid_documents(directory, "; nothing was changed").experiments
    with existing_store(data_dir) as (_, store):
        planned = apply_experiments(store, org, project, specs, dry_run=True)
        count = _count_changed(planned)
        absent = _published_without_file(store, org, project, specs)
        if not as_json:
            _print_changes(planned)
            _print_absent(absent)
        if count and not yes:
            _ask(count)
        result = apply_experiments(store, org, project, specs) if count else planned
    _print_result(result, absent, as_json)


def read_valid_documents(path: Path, consequence: str = "") -> Documents:
    """What a folder or a file says. Raises InvalidExperiments with every problem found, and with
    the `consequence` that they have."""
    with progress("reading"):
        files, unreadable = read_source_files(path)
        documents, problems = read_files(files)
    if unreadable or problems:
        raise _invalid((*unreadable, *problems), consequence)
    if not documents.experiments and not documents.definitions:
        where = "the file" if path.is_file() else "any .yaml or .yml file under it"
        raise InvalidExperiments(f"{path}: no experiment in {where}")
    return documents


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
        raise _invalid(error.problems, "; nothing was changed") from error


def _published_without_file(
    store: Store, org: str, project: str, specs: tuple[ExperimentSpec, ...]
) -> dict[str, Status]:
    serving = load_snapshot(store).projects.get((org, project))
    published = () if serving is None else serving.compiled.manifest.experiments
    written = {spec.experiment.key for spec in specs}
    return {
        each.key: each.status
        for each in published
        if isinstance(each, Experiment) and each.key not in written
    }


def _print_absent(absent: dict[str, Status]) -> None:
    for status, (state, what_to_do) in _HOW_PUBLISHED.items():
        keys = [key for key, own in absent.items() if own is status]
        if keys:
            click.echo(f"not in DIR, {state}: {', '.join(keys)}{what_to_do}")


def _invalid(problems: tuple[SpecProblem, ...], consequence: str) -> InvalidExperiments:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return InvalidExperiments(
        f"{len(problems)} problem(s) to correct{consequence}:\n{lines}",
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


def _print_result(result: ApplyResult, absent: dict[str, Status], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "version": result.version,
                "changes": [
                    {"key": change.key, "kind": str(change.kind), "fields": list(change.fields)}
                    for change in result.changes
                ],
                "notInDirectory": [
                    {"key": key, "status": str(status)} for key, status in absent.items()
                ],
            }
        )
    elif not _count_changed(result):
        click.echo("Nothing to publish.")
    elif result.version is None:
        click.echo("Saved. Clients see no change, so there is no new version.")
    else:
        click.echo(f"Published version {result.version}.")
