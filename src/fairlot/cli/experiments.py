"""`fairlot validate` and `fairlot apply`: a folder of experiment files."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from fairlot.cli.data import existing_store
from fairlot.cli.errors import InvalidExperiments, NotConfirmed
from fairlot.cli.in_process import local_actor
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table, progress
from fairlot.engine import Experiment, Status
from fairlot.manifest.definitions import DEFINITION_KINDS
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import SourceFile, read_source_files
from fairlot.service.access import UnknownTenant
from fairlot.service.changes.applying import Applied, Asked, apply_files
from fairlot.service.plan_document import ChangeAction, PlannedChange
from fairlot.service.refusals import Refused
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.tenants import find_project

_WORDS = {
    ChangeAction.CREATE: "created",
    ChangeAction.UPDATE: "updated",
    ChangeAction.STATUS: "status",
    ChangeAction.DELETE: "deleted",
    ChangeAction.NONE: "unchanged",
}
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
    files = read_valid_files(directory, "; nothing was changed")
    with existing_store(data_dir) as (_, store):
        planned = apply_source_files(store, org, project, files, dry_run=True)
        count = _count_changed(planned)
        absent = _published_without_file(store, org, project, planned)
        if not as_json:
            _print_changes(planned)
            _print_absent(absent)
        if count and not yes:
            _ask(count)
        result = apply_source_files(store, org, project, files) if count else planned
    _print_result(result, absent, as_json)


def read_valid_files(path: Path, consequence: str = "") -> tuple[SourceFile, ...]:
    """Raises InvalidExperiments with every file that cannot be read."""
    files, unreadable = read_source_files(path)
    if unreadable:
        raise _invalid(unreadable, consequence)
    return files


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


def apply_source_files(
    store: Store, org: str, project: str, files: Sequence[SourceFile], *, dry_run: bool = False
) -> Applied:
    """Publish in one transaction. Raises InvalidExperiments with all that the store refuses."""
    now_ms = time.time_ns() // 1_000_000
    actor = local_actor(os.environ)
    try:
        with (
            progress("comparing" if dry_run else "publishing"),
            store.writing(keep=not dry_run) as connection,
        ):
            tenant = find_project(connection, org, project)
            if tenant is None:
                raise UnknownTenant(org, project)
            return apply_files(connection, tenant, Asked(files), actor=actor, now_ms=now_ms)
    except Refused as error:
        raise _invalid(error.problems, "; nothing was changed") from error


def _published_without_file(
    store: Store, org: str, project: str, planned: Applied
) -> dict[str, Status]:
    serving = load_snapshot(store).projects.get((org, project))
    published = () if serving is None else serving.compiled.manifest.experiments
    absent = {each.key for each in planned.not_in_files}
    return {
        each.key: each.status
        for each in published
        if isinstance(each, Experiment) and each.key in absent
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


def _print_changes(planned: Applied) -> None:
    rows = [
        (change.key, _WORDS[change.action], ", ".join(_paths_of(change)))
        for change in planned.changes
    ]
    print_table(("experiment", "change", "fields"), rows)


def _paths_of(change: PlannedChange) -> list[str]:
    """Of what is new every field is."""
    is_new = change.action is ChangeAction.CREATE
    return [] if is_new else [field.path for field in change.fields]


def _count_changed(result: Applied) -> int:
    return sum(change.action is not ChangeAction.NONE for change in result.changes)


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise NotConfirmed("nobody is here to be asked: add --yes to publish")
    if not click.confirm(f"Publish {count} change(s)?", default=False):
        raise NotConfirmed("nothing was published")


def _print_result(result: Applied, absent: dict[str, Status], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "version": result.version,
                "changes": [
                    {
                        "key": change.key,
                        "kind": _WORDS[change.action],
                        "fields": _paths_of(change),
                    }
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
