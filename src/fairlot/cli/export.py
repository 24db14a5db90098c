"""`fairlot export`: the texts of a project, byte for byte as they were written."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from fairlot.cli.control import ControlClient, controlled, project_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note
from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.manifest.definitions import DocumentKind
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.source_files import read_source_files

Name: TypeAlias = tuple[str, str]
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
    there is replaced when it differs; no file is deleted, and keys that other files of DIR have too
    are warned of. With --revision print one text of KEY.
    """
    if revision is not None:
        _print_revision(client, project_path(org, project, _PLURALS[kind], target), revision)
        return
    sources = client.items(project_path(org, project, "sources"), {"at": at})
    folder = Path(target)
    written = {(each["kind"], each["key"]): _write(folder, each) for each in sources}
    if as_json:
        print_json({"files": [str(path) for path in written.values()]})
    else:
        click.echo(f"Wrote {len(written)} file(s) under {target}.")
    twice = list(_written_twice(folder, written))
    if twice:
        print_note(_warning(target, twice))


def _written_twice(folder: Path, written: Mapping[Name, Path]) -> Iterator[str]:
    """Where the keys that were written stand in other files too."""
    files, _ = read_source_files(folder)
    own = {str(path) for path in written.values()}
    if all(file.path in own for file in files):
        return
    for name, file, line in _places(read_files(files)[0]):
        if name in written and file not in own:
            yield f"{file}:{line}: {' '.join(name)}"


def _places(documents: Documents) -> Iterator[tuple[Name, str, int]]:
    for spec in documents.experiments:
        yield (DocumentKind.EXPERIMENT, spec.experiment.key), spec.file, spec.line
    for each in documents.definitions:
        yield (each.definition.kind, each.definition.key), each.file, each.line


def _warning(folder: str, twice: Sequence[str]) -> str:
    lines = "".join(f"\n  {each}" for each in twice)
    return (
        f"{len(twice)} key(s) stand in other files under {folder} too, and plan and apply refuse"
        f" that: remove them there, or export to a folder of its own.{lines}"
    )


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
