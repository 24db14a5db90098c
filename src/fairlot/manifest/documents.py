"""What YAML files say: the experiments and definitions in them, or everything that is wrong."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from fairlot.manifest.definition_reader import read_definition
from fairlot.manifest.definitions import (
    NOTHING_KNOWN,
    DocumentKind,
    HoldoutDefinition,
    KnownDefinitions,
    SegmentDefinition,
    WrittenDefinition,
)
from fairlot.manifest.document_kind import kind_of
from fairlot.manifest.experiment_reader import read_experiment
from fairlot.manifest.names import Names, names_of
from fairlot.manifest.nodes import Document, MapNode, shown, shown_value
from fairlot.manifest.problems import Problems, SpecProblem
from fairlot.manifest.segment_graph import cycles_of
from fairlot.manifest.source_files import SourceFile
from fairlot.manifest.spec import ExperimentSpec

MAX_CYCLES_TOLD: Final = 20
MAX_WAY_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Documents:
    experiments: tuple[ExperimentSpec, ...] = ()
    definitions: tuple[WrittenDefinition, ...] = ()


class _Place(NamedTuple):
    """Where a document is, and what of it could be read."""

    file: str
    root: MapNode
    written: ExperimentSpec | WrittenDefinition

    @property
    def identity(self) -> tuple[DocumentKind, str]:
        if isinstance(self.written, ExperimentSpec):
            return DocumentKind.EXPERIMENT, self.written.experiment.key
        return self.written.definition.kind, self.written.definition.key

    def problem(self, field: str, value: object, message: str) -> SpecProblem:
        line = self.root.key_lines.get(field, self.root.line)
        return SpecProblem(self.file, line, field, shown_value(value), message)

    def __str__(self) -> str:
        return f"{self.file}:{self.root.line}"


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
    names = names_of((document for document, _ in parsed), known)
    places = [place for each in parsed for place in _read(*each, names)]
    across = [*_shared_keys(places), *_extra_holdouts(places, known), *_cycles(places, known)]
    for problem in across:
        order[problem.file].found.append(problem)
    return _documents_of(places), tuple(
        problem
        for problems in order.values()
        for problem in sorted(problems.found, key=lambda problem: problem.line)
    )


def _documents_of(places: Iterable[_Place]) -> Documents:
    written = [place.written for place in places]
    return Documents(
        tuple(each for each in written if isinstance(each, ExperimentSpec)),
        tuple(each for each in written if isinstance(each, WrittenDefinition)),
    )


def _read(document: Document, problems: Problems, names: Names) -> Iterator[_Place]:
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
        yield _Place(problems.file, root, written)


def _read_as(
    kind: DocumentKind | None, document: Document, root: MapNode, problems: Problems, names: Names
) -> ExperimentSpec | WrittenDefinition | None:
    if kind is None:
        return None
    if kind is DocumentKind.EXPERIMENT:
        return read_experiment(root, document.source, problems, names)
    definition = read_definition(kind, root, problems, names)
    return WrittenDefinition(definition, document.source, problems.file, root.line)


def _shared_keys(places: Iterable[_Place]) -> Iterator[SpecProblem]:
    first: dict[tuple[DocumentKind, str], _Place] = {}
    for place in places:
        kind, key = place.identity
        if (kind, key) in first:
            message = f"already the key of the {kind} at {first[kind, key]}; give this one its own"
            yield place.problem("key", key, message)
        first.setdefault((kind, key), place)


def _extra_holdouts(places: Iterable[_Place], known: KnownDefinitions) -> Iterator[SpecProblem]:
    """A project has one holdout."""
    own = [each.key for each in known.definitions if isinstance(each, HoldoutDefinition)]
    first = (own[0], "in the project") if own else None
    for place in places:
        kind, key = place.identity
        if kind is not DocumentKind.HOLDOUT:
            continue
        if first is not None and first[0] != key:
            message = f"a project has one holdout, and {first[0]} is {first[1]}; keep one of them"
            yield place.problem("key", key, message)
        first = first or (key, f"at {place}")


def _cycles(places: Iterable[_Place], known: KnownDefinitions) -> Iterator[SpecProblem]:
    written = {
        place.written.definition.key: (place, place.written.definition)
        for place in places
        if isinstance(place.written, WrittenDefinition)
        and isinstance(place.written.definition, SegmentDefinition)
    }
    segments = {key: definition for key, (_, definition) in written.items()}
    for each in known.definitions:
        if isinstance(each, SegmentDefinition):
            segments.setdefault(each.key, each)
    for cycle in islice(cycles_of(segments), MAX_CYCLES_TOLD):
        start = next((index for index, key in enumerate(cycle) if key in written), None)
        if start is None:
            continue
        key = cycle[start]
        way = (*cycle[start:-1], *cycle[:start], key)
        shown_way = way if len(way) <= MAX_WAY_TOLD else (*way[:MAX_WAY_TOLD], "...", key)
        message = f"a segment cannot hold itself: {' -> '.join(shown_way)}; remove one of them"
        yield written[key][0].problem("segments", segments[key].segments, message)
