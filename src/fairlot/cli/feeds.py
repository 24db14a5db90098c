"""`fairlot feeds`: lists of products that bodies bind."""

from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.definitions import definition_noun
from fairlot.cli.documents import add_document_commands
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table

_NOUN: Final = definition_noun("feed")


@click.group(cls=SuggestingGroup)
def feeds() -> None:
    """Feeds: most_popular, newest and recently_viewed, and those of `kind: feed` documents."""


@feeds.command(name="list")
@org_option
@project_option
@controlled
@json_option
def show_all(client: ControlClient, org: str, project: str, as_json: bool) -> None:
    """List the feeds of a project, the built-in ones too."""
    _print_catalog(client.request("GET", project_path(org, project, "catalog")).json, as_json)


@feeds.command()
@org_option
@project_option
@controlled
@json_option
def refresh(client: ControlClient, org: str, project: str, as_json: bool) -> None:
    """Compute the feeds of a project now, not only when it is their time."""
    path = project_path(org, project, "catalog", "refresh")
    _print_catalog(client.request("POST", path, {}).json, as_json)


@feeds.command()
@click.argument("key")
@click.option("--subject", help="For the products that this subject viewed lately.")
@click.option("--limit", type=click.IntRange(1, 100), help="[default: that of the feed]")
@org_option
@project_option
@controlled
@json_option
def products(
    client: ControlClient,
    key: str,
    subject: str | None,
    limit: int | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Show the products of the feed KEY, in their order."""
    path = project_path(org, project, "feeds", key, "products")
    found = client.request("GET", path, query={"subject": subject, "limit": limit}).json
    if as_json:
        print_json(found)
    else:
        rows = [(each.get("id", "-"), each.get("title", "-")) for each in found["products"]]
        print_table(("id", "title"), rows)


def _print_catalog(catalog: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(catalog)
        return
    refreshed_at = catalog["refreshedAt"]
    when = f"refreshed {to_the_minute(refreshed_at)}" if refreshed_at else "not refreshed yet"
    click.echo(f"{catalog['products']:,} products, {when}")
    rows = [
        (each["key"], each["algorithm"], each["products"], "yes" if each["isBuiltIn"] else "-")
        for each in catalog["feeds"]
    ]
    print_table(("feed", "algorithm", "products", "built in"), rows)


add_document_commands(feeds, _NOUN)
