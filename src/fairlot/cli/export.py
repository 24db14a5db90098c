"""`fairlot export`: the texts of a project, byte for byte as they were written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json
from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.manifest.definitions import DocumentKind

_PLURALS: Final = {kind.value: kind.plural for kind in DocumentKind}


@click.command()
@click.argument("target", metavar="DIR|KEY")
@click.option("--at", metavar="INSTANT", help="As it stood at 2026-11-23T06:00:00Z, say.")
@click.option(
    "--revision", type=click.IntRange(1), help="Print this revision of KEY, and write no file."
)
@click.option(
    "--kind",
    type=click.Choice([*_PLURALS]),
    default=DocumentKind.EXPERIMENT.value,
    show_default=True,
    help="What KEY names, with --revision.",
)
@org_option
@project_option
@controlled
@json_option
def export(
    client: ControlClient,
    target: str,
    at: str | None,
    revision: int | None,
    kind: str,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Write the text of every experiment and definition to a file of its own under DIR.

    Experiments go to DIR/KEY.yaml, definitions to DIR/layers/KEY.yaml and so on. A file that is
    there is replaced when it differs; no file is deleted. With --revision print one text of KEY.
    """
    if revision is not None:
        _print_revision(client, project_path(org, project, _PLURALS[kind], target), revision)
        return
    sources = client.items(project_path(org, project, "sources"), {"at": at})
    written = [_write(Path(target), source) for source in sources]
    if as_json:
        print_json({"files": [str(path) for path in written]})
    else:
        click.echo(f"Wrote {len(written)} file(s) under {target}.")


def _print_revision(client: ControlClient, path: str, revision: int) -> None:
    found = client.request("GET", f"{path}/revisions/{revision}").json
    if not found["source"]:
        raise InvalidArgument(f"--revision: {revision}: has no text; choose another")
    click.echo(found["source"].encode(), nl=False)


def _write(folder: Path, source: Mapping[str, Any]) -> Path:
    """Under the folder, whatever the server calls it, and through no link."""
    kind, key = source["kind"], source["key"]
    if kind not in _PLURALS or not EXPERIMENT_KEY.fullmatch(key):
        raise InvalidArgument(f"{kind} {key!r}: no name for a file; is this a Fairlot server?")
    path = folder if kind == DocumentKind.EXPERIMENT else folder / _PLURALS[kind]
    path = path / f"{key}.yaml"
    if path.is_symlink():
        raise InvalidArgument(f"{path}: is a link; remove it, or name another folder")
    content = source["source"].encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    except OSError as error:
        fix = "name a folder that you may write to"
        raise InvalidArgument(f"{path}: {error.strerror}: {fix}") from error
    return path
