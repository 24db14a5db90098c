"""`fairlot layers`, `segments`, `metrics`, `holdouts` and `properties`: what stands beside
experiments."""

from collections.abc import Mapping
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled
from fairlot.cli.documents import Noun, add_document_commands
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.manifest.definitions import DocumentKind

_COLUMNS: Final = ("key", "revision", "updated", "salt")


def _row(item: Mapping[str, Any]) -> tuple[object, ...]:
    return item["key"], item["revision"], to_the_minute(item["updatedAt"]), item["salt"] or "-"


def _title(found: Mapping[str, Any], newest: Mapping[str, Any]) -> str:
    return f"{found['key']}: {found['kind']}, revision {newest['number']}, by {newest['author']}"


def definition_noun(singular: str) -> Noun:
    return Noun(singular, DocumentKind(singular).plural, _COLUMNS, _row, _title)


def _group(singular: str, summary: str) -> click.Group:
    noun = definition_noun(singular)

    @click.group(name=noun.plural, cls=SuggestingGroup, help=summary)
    def group() -> None: ...

    @group.command(name="list", help=f"List the {noun.plural} of a project.")
    @org_option
    @project_option
    @controlled
    @json_option
    def show_all(client: ControlClient, org: str, project: str, as_json: bool) -> None:
        found = list(client.items(noun.path(org, project)))
        if as_json:
            print_json({noun.plural: found})
        else:
            print_table(noun.columns, [noun.row(each) for each in found])

    add_document_commands(group, noun)
    return group


layers = _group("layer", "Layers: experiments that own ranges of one never share a subject.")
segments = _group("segment", "Segments: audiences by name.")
metrics = _group("metric", "Metrics: what is measured.")
holdouts = _group("holdout", "The holdout: subjects kept out of every experiment.")
properties = _group("property", "Properties: what is taken of the events of a subject.")
