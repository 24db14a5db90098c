"""`fairlot decide`: what the server would answer, and why, without recording anything."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import click
import msgspec

from fairlot.cli.data import (
    Stored,
    existing_store,
    published_project,
    stored_assignments,
    stored_experiments,
)
from fairlot.cli.errors import (
    CommandFailed,
    InvalidArgument,
    NothingPublished,
    NotServed,
    UnknownExperiment,
)
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.cli.trace import print_trace, trace_document
from fairlot.engine import Context, Decision, Device, Explanation, Reason, explain
from fairlot.http.faces.assignment_wire import MAX_VISITOR_ID
from fairlot.manifest.problems import suggestion
from fairlot.manifest.spec import TargetStatus
from fairlot.service.decisions import decide_with_memory
from fairlot.service.snapshot import ProjectServing, load_snapshot
from fairlot.store.experiments import ExperimentRow

NO_VARIANT = 3
_WHY_NOT_SERVED = {
    TargetStatus.DRAFT: "a draft, which no client sees; set status: running and apply it",
    TargetStatus.COMPLETED: "completed without a rollout, so no client sees it any more; to serve "
    "one variant to everybody, name it with rollout and apply",
}
STDIN = "-"


@click.command
@click.argument("experiment")
@click.argument("subject")
@click.option("--url", help="The page; without it URL patterns are not checked.")
@click.option("--search", help="The query string, when it is not the URL's.")
@click.option(
    "--attr",
    "attributes",
    multiple=True,
    metavar="KEY=VALUE",
    help="An attribute; JSON if VALUE is JSON, else text. Repeat for several.",
)
@click.option("--device", type=click.Choice([device.value for device in Device]))
@click.option("--account", metavar="ID", help="The account, for experiments whose unit it is.")
@click.option("--explain", "with_trace", is_flag=True, help="Print each step, in order.")
@org_option
@project_option
@data_option
@json_option
def decide(
    experiment: str,
    subject: str,
    url: str | None,
    search: str | None,
    attributes: tuple[str, ...],
    device: str | None,
    account: str | None,
    with_trace: bool,
    org: str,
    project: str,
    data_dir: str | None,
    as_json: bool,
) -> int:
    """Decide EXPERIMENT for SUBJECT over the published manifest and the stored assignments.

    SUBJECT `-` reads one subject a line from stdin, and prints one line for each.

    Exit codes: 0 there is a variant, 3 there is none, 1 and 2 errors. With `-`: 0 when all
    lines were read.
    """
    context = Context(
        attributes=read_attributes(attributes),
        account_id=account,
        url=url,
        search=search,
        device=Device(device) if device else None,
        now_ms=_now_ms(),
    )
    with existing_store(data_dir) as (settings, store):
        serving = published_project(load_snapshot(store), org, project)
        if experiment not in serving.compiled.experiments:
            raise not_served(serving, experiment, stored_experiments(store, org, project))
    with stored_assignments(settings) as stored:
        if subject == STDIN:
            subjects = (line.rstrip("\r\n") for line in sys.stdin)
            _print_many(serving, experiment, subjects, context, stored)
            return 0
        explanation = explained(serving, experiment, checked_subject(subject), context, stored)
    _print_one(serving, subject, explanation, with_trace, as_json)
    return 0 if explanation.decision.variant is not None else NO_VARIANT


def explained(
    serving: ProjectServing,
    experiment_key: str,
    subject_id: str,
    context: Context,
    stored: Stored,
) -> Explanation:
    """The decision that the server would make, with its trace."""
    decide_with_memory(serving, experiment_key, subject_id, context, stored)
    return explain(serving.compiled, experiment_key, subject_id, context)


def read_attributes(pairs: Iterable[str]) -> dict[str, Any]:
    """`tier=pro`, `age=30`, `tags=["a"]`. Raises InvalidArgument."""
    attributes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidArgument(f"--attr {pair}: write KEY=VALUE, as in --attr tier=pro")
        try:
            attributes[name] = json.loads(text)
        except ValueError:
            attributes[name] = text
    return attributes


def checked_subject(subject: str) -> str:
    """A subject that the server would take too. Raises InvalidArgument."""
    if not 1 <= len(subject) <= MAX_VISITOR_ID:
        raise InvalidArgument(
            f"subject: {len(subject)} characters; an id has 1 to {MAX_VISITOR_ID} of them"
        )
    if "\0" in subject or any("\ud800" <= character <= "\udfff" for character in subject):
        raise InvalidArgument(f"subject: {subject!r}: an id is UTF-8 text without null characters")
    return subject


def not_served(
    serving: ProjectServing, key: str, known: Mapping[str, ExperimentRow]
) -> CommandFailed:
    """Why the manifest has no such experiment, as the store knows it."""
    if not known:
        return NothingPublished(serving.org, serving.project)
    if key not in known:
        return UnknownExperiment(f"{key}: no such experiment; {suggestion(key, known)}")
    status = known[key].status
    reason = _WHY_NOT_SERVED.get(
        TargetStatus(status),
        f"{status}, but not in manifest version {serving.version}; publish with `fairlot apply`",
    )
    return NotServed(f"{key}: {reason}", {"status": status})


def _document(serving: ProjectServing, subject: str, decision: Decision) -> dict[str, Any]:
    variant = decision.variant
    return {
        "experiment": decision.experiment_key,
        "subject": subject,
        "variant": variant and variant.key,
        "variantId": variant and variant.id,
        "payload": variant and variant.payload,
        "redirect": variant and variant.redirect,
        "inExperiment": decision.in_experiment,
        "reason": decision.reason.value,
        "manifestVersion": serving.version,
    }


def _print_one(
    serving: ProjectServing, subject: str, explanation: Explanation, with_trace: bool, as_json: bool
) -> None:
    decision = explanation.decision
    if as_json:
        document = _document(serving, subject, decision)
        print_json(document | ({"trace": trace_document(explanation)} if with_trace else {}))
        return
    variant = decision.variant
    answer = "no variant" if variant is None else f"variant {variant.key}"
    click.echo(f"{decision.experiment_key}, {subject}: {answer} ({decision.reason.value})")
    if decision.reason is Reason.INVALID:
        click.echo(f"  {serving.compiled.broken.get(decision.experiment_key, '')}")
    if variant is not None and variant.payload is not None:
        click.echo(f"payload {json.dumps(variant.payload)}")
    if with_trace:
        click.echo()
        print_trace(explanation)


def _print_many(
    serving: ProjectServing,
    experiment_key: str,
    subjects: Iterable[str],
    asked: Context,
    stored: Stored,
) -> None:
    for subject in subjects:
        context = msgspec.structs.replace(asked, now_ms=_now_ms())
        decision = decide_with_memory(
            serving, experiment_key, checked_subject(subject), context, stored
        )
        click.echo(json.dumps(_document(serving, subject, decision)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
