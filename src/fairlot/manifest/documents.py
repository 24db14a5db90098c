"""What YAML files say: the experiments and definitions in them, or everything that is wrong."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fairlot.manifest.across_documents import Place, problems_across
from fairlot.manifest.definition_reader import read_definition
from fairlot.manifest.definitions import (
    NOTHING_KNOWN,
    DocumentKind,
    KnownDefinitions,
    WrittenDefinition,
)
from fairlot.manifest.document_kind import KIND, kind_of
from fairlot.manifest.experiment_reader import read_experiment
from fairlot.manifest.names import Names, names_of
from fairlot.manifest.nodes import Document, MapNode, entry_of, shown
from fairlot.manifest.problems import Problems, SpecProblem
from fairlot.manifest.source_files import SourceFile
from fairlot.manifest.spec import ExperimentSpec

MAX_DOCUMENTS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Documents:
    experiments: tuple[ExperimentSpec, ...] = ()
    definitions: tuple[WrittenDefinition, ...] = ()


def read_files(
    files: Sequence[SourceFile], known: KnownDefinitions = NOTHING_KNOWN
) -> tuple[Documents, tuple[SpecProblem, ...]]:
    """The documents of all files, and every problem of all files at once, in their order.

    A document with a problem is not among the first. What documents name is among them or in
    `known`, where a document of the same kind and key takes the place of the known one.
    """
    # PyYAML belongs to the server; a client that only decides has none.
    from fairlot.manifest.yaml_reader import read_documents

    order = {file.path: Problems(file.path) for file in files}
    parsed = [
        (document, order[file.path])
        for file in files
        for document in read_documents(file.text, order[file.path])
    ]
    if len(parsed) > MAX_DOCUMENTS:
        last, problems = parsed[MAX_DOCUMENTS]
        fix = f"at most {MAX_DOCUMENTS:,} are changed at once, so split them"
        return Documents(), (
            SpecProblem(problems.file, last.root.line, "", f"{len(parsed):,} documents", fix),
        )
    names = names_of((document for document, _ in parsed), known)
    places = [place for each in parsed for place in _read(*each, names)]
    for problem in problems_across(places, known):
        order[problem.file].found.append(problem)
    return _documents_of(places), tuple(
        problem
        for problems in order.values()
        for problem in sorted(problems.found, key=lambda problem: problem.line)
    )


def without_kind(file: SourceFile, kind: DocumentKind) -> tuple[SpecProblem, ...]:
    """Of documents that are to be of this kind, and do not say what they are: they would be read as
    experiments."""
    from fairlot.manifest.yaml_reader import read_documents

    problems = Problems(file.path)
    for document in read_documents(file.text, Problems(file.path)):
        root = document.root
        if isinstance(root, MapNode) and entry_of(root, KIND.name) is None:
            fix = f"write `kind: {kind}`, as without it a document is an experiment"
            problems.add(root.line, KIND.name, "missing", fix)
    return tuple(problems.found)


def _documents_of(places: Iterable[Place]) -> Documents:
    written = [place.written for place in places]
    return Documents(
        tuple(each for each in written if isinstance(each, ExperimentSpec)),
        tuple(each for each in written if isinstance(each, WrittenDefinition)),
    )


def _read(document: Document, problems: Problems, names: Names) -> Iterator[Place]:
    """What a document says; nothing after adding all that is wrong with it."""
    root = document.root
    if not isinstance(root, MapNode):
        fix = "an experiment is a mapping of fields, the first of them `key: ...`"
        problems.add(root.line, "", shown(root), fix)
        return
    own = Problems(problems.file)
    written = _read_as(kind_of(root, own), document, root, own, names)
    problems.found += own.found
    if written is not None and document.is_sound and not own.found:
        yield Place(problems.file, root, written)


def _read_as(
    kind: DocumentKind | None, document: Document, root: MapNode, problems: Problems, names: Names
) -> ExperimentSpec | WrittenDefinition | None:
    if kind is None:
        return None
    if kind is DocumentKind.EXPERIMENT:
        return read_experiment(root, document.source, problems, names)
    definition = read_definition(kind, root, problems, names)
    return WrittenDefinition(definition, document.source, problems.file, root.line, root)
