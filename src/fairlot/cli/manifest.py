"""`fairlot manifest`: the signed document that clients decide by, and its versions."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.control import (
    URL_FLAGS,
    ControlClient,
    ControlRefused,
    control_options,
    controlled,
    opened_control,
    project_path,
)
from fairlot.cli.errors import CommandFailed, InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note, print_table
from fairlot.engine import Experiment, Manifest, compile_manifest
from fairlot.manifest import manifest_from_json, verify_manifest
from fairlot.manifest.problems import printable

VERSION_COLUMNS: Final = ("version", "published", "author", "note", "revoked")
EXPERIMENT_COLUMNS: Final = ("experiment", "status", "variants", "id")
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
version_argument = click.argument("version", type=click.IntRange(min=0))


class RevokedVersion(CommandFailed):
    """A manifest with a good signature that every client refuses."""

    code = "manifest_revoked"

    def __init__(self, found: Manifest, reason: str | None) -> None:
        why = "" if reason is None else f" ({printable(reason)})"
        super().__init__(
            f"{found.org}/{found.project} version {found.version}: was revoked{why}, and every"
            " client refuses it, though its signature is good; take the newest:"
            " fairlot manifest show --signed",
            {"version": found.version, "reason": reason},
        )


@click.group(cls=SuggestingGroup)
def manifest() -> None:
    """The manifest: all that is needed to decide without asking the server, signed."""


@manifest.command(name="list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@org_option
@project_option
@controlled
@json_option
def show_versions(client: ControlClient, limit: int, org: str, project: str, as_json: bool) -> None:
    """List the published versions, the newest first."""
    path = project_path(org, project, "manifests")
    versions = client.items(path, {"limit": min(limit, 200)})
    found = list(islice(versions, limit))
    if as_json:
        print_json({"versions": found})
    else:
        print_table(VERSION_COLUMNS, [_version_row(version) for version in found])


@manifest.command()
@click.argument("version", type=click.IntRange(min=0), required=False)
@click.option("--signed", is_flag=True, help="Print the newest document as it is served.")
@click.option(
    "--whole", is_flag=True, help="With what only the server decides by, which no client gets."
)
@org_option
@project_option
@controlled
@json_option
def show(
    client: ControlClient,
    version: int | None,
    signed: bool,
    whole: bool,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Print the newest manifest of a project, or VERSION of it; with --json all of it."""
    if signed and (version is not None or whole):
        raise click.UsageError("--signed prints the newest version, as it is served")
    if version is None:
        newest = _newest(client, org, project)
        if signed:
            click.echo(json.dumps(newest["manifest"], separators=(",", ":")))
            return
        version = newest["version"]
    path = project_path(org, project, "manifests", str(version))
    stored = client.request("GET", path).json
    payload = stored["server"] if whole and stored["server"] is not None else stored["manifest"]
    if as_json:
        print_json(payload)
        return
    found = manifest_from_json(json.dumps(payload).encode())
    click.echo(f"{org}/{project} version {found.version}, published {found.published_at}")
    print_table(EXPERIMENT_COLUMNS, _experiment_rows(found))


@manifest.command()
@click.argument("version", type=click.IntRange(min=0), required=False)
@click.option(
    "--from",
    "base",
    type=click.IntRange(min=0),
    help="Compare with this version.  [default: the one before]",
)
@org_option
@project_option
@controlled
@json_option
def diff(
    client: ControlClient,
    version: int | None,
    base: int | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Print what VERSION changed; by default the newest."""
    if version is None:
        newest = client.request("GET", project_path(org, project, "manifests"), query={"limit": 1})
        version = newest.json["items"][0]["version"] if newest.json["items"] else 0
    path = project_path(org, project, "manifests", str(version), "diff")
    found = client.request("GET", path, query={"from": base}).json
    if as_json:
        print_json(found)
    else:
        _print_diff(found, f"{org}/{project}")


@manifest.command()
@version_argument
@click.option("--reason", required=True, help="For those who read the list of versions.")
@org_option
@project_option
@controlled
@json_option
def revoke(
    client: ControlClient, version: int, reason: str, org: str, project: str, as_json: bool
) -> None:
    """Have all clients refuse VERSION, and publish another in its place at once.

    The new version is made of what is stored: revert what was wrong before, or right after. VERSION
    may also be one that a restore lost.
    """
    path = project_path(org, project, "manifests", str(version), "revoke")
    done = client.change("POST", path, {"reason": reason}).json
    if done["isSameContent"]:
        print_note(
            "Warning: the newest version holds the same as the revoked one. Revert what was wrong"
            " (kill or change the experiment, apply the former files): that publishes again."
        )
    if as_json:
        print_json(done)
    elif not done["changed"]:
        click.echo(f"Nothing changed: version {version} had been revoked before.")
    elif done["published"] is None:
        click.echo(f"Revoked version {version}; there is a newer one.")
    else:
        click.echo(f"Revoked version {version}, and published {done['published']} in its place.")


@manifest.command()
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option(
    "--jwks",
    "jwks_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key set to verify FILE with.  [default: the published keys]",
)
@org_option
@project_option
@control_options(*URL_FLAGS)
@json_option
def verify(
    file: Path | None,
    jwks_file: Path | None,
    org: str,
    project: str,
    data_dir: str | None,
    server_url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Verify the signature of FILE, or of the published manifest, and check each experiment.

    Fails for a version that was revoked, which only the server or the data directory knows: with
    --jwks neither is asked about FILE.
    """
    if file is not None and jwks_file is not None:
        found = verify_manifest(file.read_bytes(), _read_key_set(jwks_file))
    else:
        with opened_control(data_dir, server_url, api_key) as client:
            newest = _newest(client, org, project)
            document = (
                json.dumps(newest["manifest"]).encode() if file is None else file.read_bytes()
            )
            keys = newest["jwks"] if jwks_file is None else _read_key_set(jwks_file)
            found = verify_manifest(document, keys)
            _refuse_revoked(client, found, newest if found.project == project else None)
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
    for name, problem in broken.items():
        click.echo(f"  broken: {name}: {problem}")


def _refuse_revoked(
    client: ControlClient, found: Manifest, newest: Mapping[str, Any] | None
) -> None:
    """`newest` is that of the project of `found`, if it was asked for already."""
    if newest is None:
        newest = _newest(client, found.org, found.project)
    if found.version in newest["revocations"]["revoked"].get(found.project, ()):
        path = project_path(found.org, found.project, "manifests", str(found.version))
        raise RevokedVersion(found, _reason_at(client, path))


def _reason_at(client: ControlClient, path: str) -> str | None:
    """None of a version that is revoked and not stored, as after a restore."""
    try:
        reason: str | None = client.request("GET", path).json["revokeReason"]
    except ControlRefused:
        return None
    return reason


def _newest(client: ControlClient, org: str, project: str) -> dict[str, Any]:
    """The newest version that is not revoked, signed, and the organization's key set."""
    found: dict[str, Any] = client.request(
        "GET", project_path(org, project, "static-manifest")
    ).json
    return found


def _read_key_set(path: Path) -> dict[str, Any]:
    try:
        keys = json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidArgument(f"{path}: {error}: name a JWKS document in JSON") from error
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise InvalidArgument(f'{path}: name a JWKS document, an object with a list "keys"')
    return keys


def _print_diff(found: Mapping[str, Any], owner: str) -> None:
    before = "nothing" if found["from"] is None else f"version {found['from']}"
    click.echo(f"{owner}: {before} -> version {found['to']}")
    for each in found["differences"]:
        click.echo(f"{_SIGNS[each['change']]} {each['kind']} {printable(each['key'])}")
        for field in each["fields"]:
            old, new = (_shown(field, side) for side in ("before", "after"))
            click.echo(f"    {printable(field['path'])}: {old} -> {new}")
    for name, sign in (("keysAdded", "+"), ("keysRemoved", "-")):
        for kid in found[name]:
            click.echo(f"{sign} signing key {printable(kid)}")
    if not (found["differences"] or found["keysAdded"] or found["keysRemoved"]):
        click.echo("No difference.")


def _shown(field: Mapping[str, Any], side: str) -> str:
    return json.dumps(field[side], ensure_ascii=False) if side in field else "(none)"


def _version_row(version: Mapping[str, Any]) -> tuple[object, ...]:
    revoked = (
        f"{version['revokedAt'][:16]} {version['revokeReason']}" if version["revoked"] else "-"
    )
    return (
        version["version"],
        version["publishedAt"][:19],
        version["author"] or "-",
        version["note"] or "-",
        revoked,
    )


def _experiment_rows(found: Manifest) -> list[tuple[str, str, str, str]]:
    return [
        (each.key, each.status.value, ", ".join(variant.key for variant in each.variants), each.id)
        if isinstance(each, Experiment)
        else (each.key, "broken", each.problem, "")
        for each in found.experiments
    ]
