"""`fairlot decide`: what the server would answer, and why, without recording anything."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, controlled_with, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.cli.trace import print_trace
from fairlot.engine import Device

NO_VARIANT: Final = 3
STDIN: Final = "-"
MAX_SUBJECT: Final = 400
AT_ONCE: Final = 200  # of the 1,000 that a request may ask for


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
@controlled_with("--server")
@json_option
def decide(
    client: ControlClient,
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
    as_json: bool,
) -> int:
    """Decide EXPERIMENT for SUBJECT over the published manifest and the stored assignments.

    SUBJECT `-` reads one subject a line from stdin, and prints one line for each.

    Exit codes: 0 there is a variant, 3 there is none, 1 and 2 errors. With `-`: 0 when all
    lines were read.
    """
    context = {
        "attributes": read_attributes(attributes),
        "accountId": account,
        "url": url,
        "search": search,
        "device": device,
    }
    asked = {"experimentKey": experiment, "context": context}
    if subject == STDIN:
        for decided in _decided(client, project_path(org, project, "decide"), asked, sys.stdin):
            click.echo(json.dumps(decided))
        return 0
    question = "explain" if with_trace else "decide"
    path = project_path(org, project, question)
    subject = checked_subject(subject)
    if with_trace:
        answer = client.request("POST", path, {**asked, "subjectId": subject}).json
    else:
        (answer,) = _decided(client, path, asked, [subject])
    _print_answer(answer, as_json)
    return NO_VARIANT if answer["variant"] is None else 0


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


def _decided(
    client: ControlClient, path: str, asked: Mapping[str, Any], lines: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """A request for several subjects at once, so that a long list does not take a day."""
    subjects = (checked_subject(line.rstrip("\r\n")) for line in lines)
    while some := list(islice(subjects, AT_ONCE)):
        yield from client.request("POST", path, {**asked, "subjectIds": some}).json["decisions"]


def _print_answer(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    variant = "no variant" if answer["variant"] is None else f"variant {answer['variant']}"
    click.echo(f"{answer['experiment']}, {answer['subject']}: {variant} ({answer['reason']})")
    if answer["problem"] is not None:
        click.echo(f"  {answer['problem']}")
    if answer["payload"] is not None:
        click.echo(f"payload {json.dumps(answer['payload'])}")
    if "trace" in answer:
        click.echo()
        print_trace(answer["trace"])
