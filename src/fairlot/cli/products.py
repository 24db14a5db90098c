"""`fairlot products`: the catalog that feeds recommend from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.moments import to_the_minute
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.service.feeds.incoming import Incoming, read_product

_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_list_of: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@click.group(cls=SuggestingGroup)
def products() -> None:
    """Products: what feeds recommend, in bodies that bind one."""


@products.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@org_option
@project_option
@controlled
@json_option
def import_file(client: ControlClient, file: Path, org: str, project: str, as_json: bool) -> None:
    """Put the products of FILE into the catalog, and refresh the feeds.

    FILE is a list of JSON objects, one on each line, or {"products": [{"product": {...}}]}. Each
    takes the place of the product with its `id`; no product is deleted.
    """
    incoming = [read_product(text, index) for index, text in enumerate(_texts_in(file))]
    added = changed = 0
    for some in _batches(incoming):
        body = b'{"products":[' + b",".join(each.body for each in some) + b"]}"
        kept = client.request("POST", project_path(org, project, "products"), body).json
        added, changed = added + kept["added"], changed + kept["changed"]
    client.request("POST", project_path(org, project, "catalog", "refresh"), {})
    if as_json:
        print_json({"products": len(incoming), "added": added, "changed": changed})
    else:
        click.echo(f"{len(incoming):,} products: {added:,} new, {changed:,} changed.")


@products.command(name="list")
@org_option
@project_option
@controlled
@json_option
def show_all(client: ControlClient, org: str, project: str, as_json: bool) -> None:
    """List the products of a project."""
    found = list(client.items(project_path(org, project, "products")))
    if as_json:
        print_json({"products": [each["product"] for each in found]})
    else:
        print_table(("id", "updated", "title"), [_row(each) for each in found])


@products.command()
@click.argument("product_id", metavar="ID")
@org_option
@project_option
@controlled
@json_option
def delete(client: ControlClient, product_id: str, org: str, project: str, as_json: bool) -> None:
    """Delete the product ID. No feed has it any more within a second or so."""
    client.request("DELETE", project_path(org, project, "products", product_id))
    if as_json:
        print_json({"deleted": product_id})
    else:
        click.echo(f"{product_id} is deleted.")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    title = item["product"].get("title", "-")
    return item["id"], to_the_minute(item["updatedAt"]), title


def _texts_in(file: Path) -> Sequence[bytes]:
    """The JSON of each product, as it is written."""
    try:
        content = file.read_bytes().removeprefix(_BOM).strip()
    except OSError as error:
        raise InvalidArgument(f"{file}: {error.strerror}: name a file that can be read") from error
    try:
        listed = content if content.startswith(b"[") else _object_of(content).get("products")
        if listed is not None:
            return [bytes(each) for each in _list_of(listed)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # then there is a product on each line, or what is wrong with a line is told
    return [line for each in content.splitlines() if (line := each.strip())]


def _batches(incoming: Sequence[Incoming]) -> Iterator[list[Incoming]]:
    batch: list[Incoming] = []
    size = 0
    for each in incoming:
        if batch and (len(batch) == _AT_ONCE or size + len(each.body) > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each.body) + 1
    if batch:
        yield batch
