"""`fairlot audit`: who changed what, and whether the record of it is whole."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, organization_path
from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table

COLUMNS: Final = ("seq", "at", "actor", "action", "project", "target", "details")
_PAGE: Final = 200


class AuditBroken(CommandFailed):
    code = "audit_broken"


@click.group(cls=SuggestingGroup)
def audit() -> None:
    """The audit log: every change of an organization, in a chain of hashes."""


@audit.command(name="list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--oldest", is_flag=True, help="Begin with the oldest.  [default: with the newest]")
@click.option("--project", help="What was done in this project only.")
@click.option("--actor", help="What this actor did only, as in local:anna or key:a1b2c3d4.")
@click.option("--action", help="This action only, as in experiment.start.")
@click.option("--target", help="What was done to this only, as in experiment:welcome.")
@org_option
@controlled
@json_option
def show_records(
    client: ControlClient,
    /,
    limit: int,
    oldest: bool,
    org: str,
    as_json: bool,
    **filters: str | None,
) -> None:
    """List what was changed, by whom and when."""
    query = {**filters, "order": "oldest" if oldest else "newest", "limit": min(limit, _PAGE)}
    records = client.items(organization_path(org, "audit"), query)
    found = list(islice(records, limit))
    if as_json:
        print_json({"records": found})
    else:
        print_table(COLUMNS, [_row(record) for record in found])


@audit.command()
@click.option(
    "--noted",
    metavar="SEQ:HASH",
    help="A record as it was noted down elsewhere: whether it is still that one.",
)
@org_option
@controlled
@json_option
def verify(client: ControlClient, noted: str | None, org: str, as_json: bool) -> None:
    """Recompute every record; the exit code is 1 when one is not as it was written.

    The last line is a record to note down elsewhere, for --noted: it alone tells that a whole
    database was put back to an earlier state.
    """
    path = organization_path(org, "audit", "verify")
    found = client.request("GET", path, query={"noted": noted}).json
    broken = found["broken"]
    if broken is not None:
        raise AuditBroken(f"record {broken['seq']}: {broken['text']}", found)
    if as_json:
        print_json(found)
        return
    end = found["end"]
    click.echo(f"Intact: {end['seq']} record(s), the first of them {found['beginsWith']}.")
    click.echo(f"{end['seq']}:{end['hash']}")


@audit.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, all of it or nothing.  [default: stdout]",
)
@org_option
@controlled
@json_option
def export(client: ControlClient, output: Path | None, org: str, as_json: bool) -> None:
    """Print the whole audit log as JSON Lines, oldest first, each line as it was hashed.

    docs/reference/audit.md has a program of 15 lines that verifies it.
    """
    records = client.items(organization_path(org, "audit"), {"order": "oldest", "limit": _PAGE})
    if output is None:
        for line in _lines(records):
            sys.stdout.write(line)
        return
    unfinished = output.with_name(f".{output.name}.new")
    count = 0
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        for count, line in enumerate(_lines(records), start=1):  # noqa: B007 - counted
            file.write(line)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(output)
    if as_json:
        print_json({"output": str(output), "records": count})
    else:
        print_note(f"{output}: {count} record(s)")


def _lines(records: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """In canonical form (RFC 8785)."""
    for record in records:
        yield (json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")


def _row(record: Mapping[str, Any]) -> tuple[object, ...]:
    details = ", ".join(f"{name}={value}" for name, value in record["details"].items())
    return (
        record["seq"],
        record["at"][:19],
        record["actor"],
        record["action"],
        record["project"] or "-",
        record["target"] or "-",
        details or "-",
    )
