"""`fairlot validate`, and how commands read a folder of files."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, Final

import click

from fairlot.cli.errors import FilesTooLarge, InvalidExperiments
from fairlot.cli.options import data_option, json_option
from fairlot.cli.output import print_json, progress
from fairlot.manifest.definitions import DEFINITION_KINDS
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.source_files import AT_ONCE_BYTES, SourceFile, read_source_files

_MIB: Final = 1024 * 1024


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@data_option
@json_option
def validate(path: Path, data_dir: str | None, as_json: bool) -> None:
    """Check every experiment file under PATH, and name all problems of all files at once.

    PATH is a folder or one file. Needs no data directory; --data is accepted so that every
    command takes it.
    """
    documents = _read_valid(path)
    definitions = [written.definition for written in documents.definitions]
    if as_json:
        print_json(
            {
                "valid": True,
                "experiments": [spec.experiment.key for spec in documents.experiments],
                "definitions": [{"kind": str(each.kind), "key": each.key} for each in definitions],
            }
        )
        return
    counts = Counter(each.kind for each in definitions)
    said = [f"{len(documents.experiments)} experiment(s)"]
    said += [f"{counts[kind]} {kind}(s)" for kind in DEFINITION_KINDS if counts[kind]]
    click.echo(f"{', '.join(said)}, no problems.")


def read_readable_files(path: Path, consequence: str) -> tuple[SourceFile, ...]:
    """Raises InvalidExperiments with every file that cannot be read, and with the `consequence`
    that it has."""
    files, unreadable = read_source_files(path)
    if unreadable:
        raise invalid_files(unreadable, consequence)
    return files


def invalid_files(problems: Sequence[SpecProblem], consequence: str = "") -> InvalidExperiments:
    lines = "\n".join(f"  {problem}" for problem in problems)
    return InvalidExperiments(
        f"{len(problems)} problem(s) to correct{consequence}:\n{lines}",
        {"problems": [asdict(problem) for problem in problems]},
    )


def sent_at_once(asked: Mapping[str, Any]) -> bytes:
    """The body that asks about files. Raises FilesTooLarge before anything is sent."""
    body = json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(body) > AT_ONCE_BYTES:
        raise FilesTooLarge(
            f"the files are {ceil(len(body) * 10 / _MIB) / 10} MiB together, and"
            f" {AT_ONCE_BYTES // _MIB} MiB go at once: apply the folder in parts, without"
            " --allow-deletes, which would delete what the other parts say"
        )
    return body


def _read_valid(path: Path) -> Documents:
    with progress("reading"):
        files, unreadable = read_source_files(path)
        documents, problems = read_files(files)
    if unreadable or problems:
        raise invalid_files((*unreadable, *problems))
    if not documents.experiments and not documents.definitions:
        where = "the file" if path.is_file() else "any .yaml or .yml file under it"
        raise InvalidExperiments(f"{path}: no experiment in {where}")
    return documents
