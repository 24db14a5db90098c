"""`fairlot manifest`: the signed document that clients decide by."""

import json
from pathlib import Path
from typing import Any

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.data import existing_store, published_project
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_table
from fairlot.engine import Experiment, Manifest, compile_manifest
from fairlot.manifest import manifest_to_json, verify_manifest
from fairlot.service.snapshot import ProjectServing, load_snapshot


@click.group(cls=SuggestingGroup)
def manifest() -> None:
    """The manifest: all that is needed to decide without asking the server, signed."""


@manifest.command()
@click.option("--signed", is_flag=True, help="Print the signed document as it is served.")
@org_option
@project_option
@data_option
@json_option
def show(signed: bool, org: str, project: str, data_dir: str | None, as_json: bool) -> None:
    """Print the published manifest of a project; with --json all of it."""
    serving, _ = _published(data_dir, org, project)
    if signed:
        click.echo(serving.signed)
        return
    found = serving.compiled.manifest
    if as_json:
        print_json(json.loads(manifest_to_json(found)))
        return
    click.echo(f"{org}/{project} version {found.version}, published {found.published_at}")
    print_table(("experiment", "status", "variants", "id"), _rows(found))


@manifest.command()
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option(
    "--jwks",
    "jwks_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key set to verify FILE with.  [default: the keys of the data directory]",
)
@org_option
@project_option
@data_option
@json_option
def verify(
    file: Path | None,
    jwks_file: Path | None,
    org: str,
    project: str,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Verify the signature of FILE, or of the published manifest, and check each experiment."""
    if file is None or jwks_file is None:
        serving, jwks = _published(data_dir, org, project)
    document = serving.signed if file is None else file.read_bytes()
    keys = json.loads(jwks) if jwks_file is None else _read_key_set(jwks_file)
    found = verify_manifest(document, keys)
    broken = dict(compile_manifest(found).broken)
    if as_json:
        print_json(
            {
                "verified": True,
                "org": found.org,
                "project": found.project,
                "version": found.version,
                "publishedAt": found.published_at,
                "experiments": len(found.experiments),
                "broken": broken,
            }
        )
        return
    click.echo(
        f"Verified: {found.org}/{found.project} version {found.version}, "
        f"{len(found.experiments)} experiment(s), published {found.published_at}"
    )
    for key, problem in broken.items():
        click.echo(f"  broken: {key}: {problem}")


def _published(data_dir: str | None, org: str, project: str) -> tuple[ProjectServing, bytes]:
    """What is served for a project, and the organization's key set."""
    with existing_store(data_dir) as (_, store):
        snapshot = load_snapshot(store)
    return published_project(snapshot, org, project), snapshot.jwks[org]


def _read_key_set(path: Path) -> dict[str, Any]:
    try:
        keys = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidArgument(f"{path}: {error}: name a JWKS document in JSON") from error
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise InvalidArgument(f'{path}: name a JWKS document, an object with a list "keys"')
    return keys


def _rows(found: Manifest) -> list[tuple[str, str, str, str]]:
    return [
        (each.key, each.status.value, ", ".join(variant.key for variant in each.variants), each.id)
        if isinstance(each, Experiment)
        else (each.key, "broken", each.problem, "")
        for each in found.experiments
    ]
