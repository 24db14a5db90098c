"""`fairlot decide`: what the server would answer, and why, without recording anything."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click

from fairlot.cli.data import StoredAssignments, existing_store
from fairlot.cli.errors import InvalidArgument, NothingPublished
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.engine import Context, Decision, Device, Explanation, Reason, explain
from fairlot.service.decisions import decide_with_memory
from fairlot.service.snapshot import ProjectServing, load_snapshot

NO_VARIANT = 3
STDIN = "-"
MAX_SUBJECT = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller of the server would send beside the subject."""

    url: str | None
    search: str | None
    attributes: Mapping[str, Any]
    device: Device | None
    account: str | None

    def context(self) -> Context:
        return Context(
            attributes=self.attributes,
            account_id=self.account,
            url=self.url,
            search=self.search,
            device=self.device,
            now_ms=time.time_ns() // 1_000_000,
        )


@click.command(short_help="Decide for a subject, recording nothing.")
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
    asked = Asked(
        url, search, read_attributes(attributes), Device(device) if device else None, account
    )
    with existing_store(data_dir) as (settings, store):
        serving = load_snapshot(store).projects.get((org, project))
    if serving is None:
        raise NothingPublished(org, project)
    _check_experiment(serving, experiment)
    with StoredAssignments(settings) as stored:
        if subject == STDIN:
            subjects = (line.rstrip("\r\n") for line in sys.stdin)
            _print_many(serving, experiment, subjects, asked, stored)
            return 0
        context = asked.context()
        explanation = explained(serving, experiment, checked_subject(subject), context, stored)
    _print_one(serving, subject, explanation, with_trace, as_json)
    return 0 if explanation.decision.variant is not None else NO_VARIANT


def explained(
    serving: ProjectServing,
    experiment_key: str,
    subject_id: str,
    context: Context,
    stored: StoredAssignments,
) -> Explanation:
    """The decision that the server would make, with its trace."""
    decide_with_memory(serving, experiment_key, subject_id, context, stored.of)
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
    if not 1 <= len(subject) <= MAX_SUBJECT:
        raise InvalidArgument(
            f"subject: {len(subject)} characters; an id has 1 to {MAX_SUBJECT} of them"
        )
    if "\0" in subject or any("\ud800" <= character <= "\udfff" for character in subject):
        raise InvalidArgument(f"subject: {subject!r}: an id is UTF-8 text without null characters")
    return subject


def trace_document(explanation: Explanation) -> dict[str, object]:
    """The trace as the assignment API prints it."""
    return {
        "reason": explanation.decision.reason.value,
        "steps": [
            {
                "name": step.name,
                "verdict": step.verdict,
                "note": step.note,
                "details": dict(step.details),
            }
            for step in explanation.steps
        ],
    }


def print_trace(explanation: Explanation) -> None:
    print_table(
        ("step", "verdict", "note", "details"),
        [
            (
                step.name,
                step.verdict,
                step.note,
                ", ".join(
                    f"{name}={value}" for name, value in step.details.items() if value is not None
                ),
            )
            for step in explanation.steps
        ],
    )


def _check_experiment(serving: ProjectServing, key: str) -> None:
    known = serving.compiled.experiments
    if key in known:
        return
    if not known:
        raise NothingPublished(serving.org, serving.project)
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    raise InvalidArgument(f"{key}: no such experiment in the manifest; {hint}")


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
    asked: Asked,
    stored: StoredAssignments,
) -> None:
    for subject in subjects:
        decision = decide_with_memory(
            serving, experiment_key, checked_subject(subject), asked.context(), stored.of
        )
        click.echo(json.dumps(_document(serving, subject, decision)))
