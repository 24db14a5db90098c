"""`fairlot plan` and `fairlot apply`: what a folder of files changes, and who moves."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from fairlot.cli.control import (
    ControlAnswer,
    ControlClient,
    ControlRefused,
    controlled,
    project_path,
)
from fairlot.cli.documents import confirm, reason_option
from fairlot.cli.errors import InvalidArgument, NotConfirmed
from fairlot.cli.fail_over import exceeding, share_of
from fairlot.cli.files import invalid_files, read_readable_files, sent_at_once
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note, progress
from fairlot.cli.plan_markdown import plan_markdown
from fairlot.cli.plan_text import plan_text
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import SourceFile
from fairlot.service.plan_document import Cause, ChangeAction, NotCountableKind, PlanDocument

OVER_LIMIT: Final = 4
"""The exit code of a plan that moves more than --fail-over allows."""
_UNCOUNTED: Final = "With --yes nobody was counted: ask `fairlot plan` before you apply."
_folder_argument = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
_deletes_option = click.option(
    "--allow-deletes",
    is_flag=True,
    help="Delete what is in no file: drafts, what is over, and definitions that nothing uses.",
)


@click.command
@_folder_argument
@_deletes_option
@click.option(
    "--fail-over",
    metavar="SHARE",
    help="End with code 4 when an experiment that clients have would change the answers of more"
    " than, say, 1%, or changes its audience: whom that moves cannot be counted.",
)
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@org_option
@project_option
@controlled
@json_option
def plan(
    client: ControlClient,
    directory: Path,
    allow_deletes: bool,
    fail_over: str | None,
    markdown: bool,
    org: str,
    project: str,
    as_json: bool,
) -> int:
    """Show what DIRECTORY would change, and who would get another variant; change nothing.

    Compares with what clients are served now, bucket by bucket, and counts in the event log how
    many known subjects of the last 28 days move.
    """
    limit = None if fail_over is None else _share(fail_over)
    asked = {"files": _files_in(directory), "allowDeletes": allow_deletes}
    answer = _asked(client.request, project_path(org, project, "plan"), asked)
    document = _convert(answer)
    if as_json:
        print_json(answer)
    elif markdown:
        click.echo(plan_markdown(document))
    else:
        _print_plan(document)
    moving = () if limit is None else exceeding(_without_new(document), limit)
    for each in moving:
        print_note(f"over {fail_over}: {each}")
    return OVER_LIMIT if moving else 0


@click.command
@_folder_argument
@click.option("--yes", is_flag=True, help="Do not ask before publishing.")
@_deletes_option
@reason_option
@org_option
@project_option
@controlled
@json_option
def apply(
    client: ControlClient,
    directory: Path,
    yes: bool,
    allow_deletes: bool,
    reason: str | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Show what DIRECTORY would change, ask, and publish all of it or nothing.

    What is in no file of DIRECTORY stays as it is, and is named. When the project changes between
    the plan and your answer nothing is published. With --yes nobody waits for the event log: shares
    and reshuffles are shown, and how many of the known move is what `fairlot plan` says.
    """
    if as_json and not yes:
        raise NotConfirmed("nobody is asked with --json: add --yes to publish")
    asked = {"files": _files_in(directory), "allowDeletes": allow_deletes, "reason": reason}
    path = project_path(org, project)
    if not yes:
        document = _convert(_asked(client.request, f"{path}/plan", asked))
        _print_plan(document)
        count = sum(change.action is not ChangeAction.NONE for change in document.changes)
        if not count:
            click.echo("Nothing to publish.")
            return
        confirm(f"Publish {count} change(s)?", "add --yes to publish")
        asked["base"] = document.base
    applied = _asked(client.change, f"{path}/apply", asked)
    if as_json:
        print_json(applied)
        return
    if yes:
        document = _as_plan(applied, org, project)
        _print_plan(document)
        if document.effects:
            click.echo(_UNCOUNTED)
    if applied["version"] is not None:
        click.echo(f"Published version {applied['version']}.")
    elif any(change["action"] != ChangeAction.NONE for change in applied["changes"]):
        click.echo("Saved. Clients see no change, so there is no new version.")
    else:
        click.echo("Nothing to publish.")


def apply_files(
    client: ControlClient, org: str, project: str, files: Sequence[SourceFile]
) -> Mapping[str, Any]:
    """Without asking anybody. Raises InvalidFiles with every problem."""
    path = project_path(org, project, "apply")
    applied: Mapping[str, Any] = _asked(client.change, path, {"files": _sent(files)})
    return applied


def _files_in(directory: Path) -> list[dict[str, str]]:
    return _sent(read_readable_files(directory, "; nothing was changed"))


def _sent(files: Sequence[SourceFile]) -> list[dict[str, str]]:
    return [{"path": file.path, "text": file.text} for file in files]


def _asked(send: Callable[..., ControlAnswer], path: str, asked: Mapping[str, Any]) -> Any:
    """Problems of the files are told as `fairlot validate` tells them."""
    try:
        with progress(path.rpartition("/")[2]):
            return send("POST", path, sent_at_once(asked)).json
    except ControlRefused as error:
        problems = error.problem.get("problems")
        if problems is None:
            raise
        found = [SpecProblem(**problem) for problem in problems]
        raise invalid_files(found, "; nothing was changed") from error


def _as_plan(applied: Mapping[str, Any], org: str, project: str) -> PlanDocument:
    """What was changed, for whoever did not ask who of the known would move."""
    said = ("base", "changes", "effects", "warnings", "notInFiles")
    parts = {name: applied[name] for name in said}
    document = _convert({"org": org, "project": project, "nowMs": 0, **parts})
    effects = tuple(each.without(NotCountableKind.NO_LOG) for each in document.effects)
    return msgspec.structs.replace(document, effects=effects)


def _print_plan(document: PlanDocument) -> None:
    width = min(shutil.get_terminal_size().columns, 120)
    click.echo(plan_text(document, width=width, colour=sys.stdout.isatty()))


def _share(text: str) -> Any:
    try:
        return share_of(text)
    except ValueError as error:
        raise InvalidArgument(f"--fail-over: {error}") from None


def _convert(answer: Mapping[str, Any]) -> PlanDocument:
    return msgspec.convert(answer, PlanDocument)


def _without_new(document: PlanDocument) -> PlanDocument:
    """Whoever enters an experiment that starts had no variant of it to lose."""
    effects = tuple(each for each in document.effects if Cause.CREATED not in each.causes)
    return msgspec.structs.replace(document, effects=effects)
