"""What must hold between documents that are read together, and the project that they are for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from fairlot.manifest.definitions import (
    DocumentKind,
    FeedDefinition,
    HoldoutDefinition,
    KnownDefinitions,
    SegmentDefinition,
    WrittenDefinition,
)
from fairlot.manifest.nodes import MapNode, locate, shown_value
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.segment_graph import closure_of, cycles_in
from fairlot.manifest.spec import ExperimentSpec

MAX_CYCLES_TOLD: Final = 20
MAX_WAY_TOLD: Final = 20
MAX_HELD: Final = 100
_Kind = TypeVar("_Kind", SegmentDefinition, FeedDefinition)


class Place(NamedTuple):
    """Where a document is, and what of it could be read."""

    file: str
    root: MapNode
    written: ExperimentSpec | WrittenDefinition

    @property
    def identity(self) -> tuple[DocumentKind, str]:
        if isinstance(self.written, ExperimentSpec):
            return DocumentKind.EXPERIMENT, self.written.experiment.key
        return self.written.definition.kind, self.written.definition.key

    def problem(self, path: str, value: object, message: str) -> SpecProblem:
        line = locate(self.root, path)[0]
        return SpecProblem(self.file, line, path, shown_value(value), message)

    def __str__(self) -> str:
        return f"{self.file}:{self.root.line}"


def problems_across(places: Sequence[Place], known: KnownDefinitions) -> Iterator[SpecProblem]:
    segments, written = _all_of(SegmentDefinition, places, known)
    feeds, written_feeds = _all_of(FeedDefinition, places, known)
    yield from _shared_keys(places)
    yield from _extra_holdouts(places, known)
    held = {key: each.segments for key, each in segments.items()}
    yield from [*_cycles(_NESTED, held, written)] or _too_many_held(places, segments)
    fill_ups = {key: each.fill_up for key, each in feeds.items()}
    yield from _cycles(_FILLED_UP, fill_ups, written_feeds)


def _shared_keys(places: Iterable[Place]) -> Iterator[SpecProblem]:
    first: dict[tuple[DocumentKind, str], Place] = {}
    for place in places:
        kind, key = place.identity
        if (kind, key) in first:
            message = f"already the key of the {kind} at {first[kind, key]}; give this one its own"
            yield place.problem("key", key, message)
        first.setdefault((kind, key), place)


def _extra_holdouts(places: Iterable[Place], known: KnownDefinitions) -> Iterator[SpecProblem]:
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


def _all_of(
    kind: type[_Kind], places: Iterable[Place], known: KnownDefinitions
) -> tuple[dict[str, _Kind], dict[str, Place]]:
    """All definitions of a kind that there will be, and the places of those that are written."""
    found = {each.key: each for each in known.definitions if isinstance(each, kind)}
    written = {}
    for place in places:
        if isinstance(place.written, WrittenDefinition):
            definition = place.written.definition
            if isinstance(definition, kind):
                found[definition.key] = definition
                written[definition.key] = place
    return found, written


class _Holding(NamedTuple):
    """The field by which definitions name each other, and what they cannot do to themselves."""

    field: str
    says: str


_NESTED: Final = _Holding("segments", "a segment cannot hold itself")
_FILLED_UP: Final = _Holding("fillUp", "a feed cannot fill itself up")


def _cycles(
    holding: _Holding, graph: Mapping[str, Sequence[str]], written: Mapping[str, Place]
) -> Iterator[SpecProblem]:
    for cycle in islice(cycles_in(graph), MAX_CYCLES_TOLD):
        start = next((index for index, key in enumerate(cycle) if key in written), None)
        if start is None:
            continue
        key = cycle[start]
        way = (*cycle[start:-1], *cycle[:start], key)
        told = way if len(way) <= MAX_WAY_TOLD else (*way[:MAX_WAY_TOLD], "...", key)
        message = f"{holding.says}: {' -> '.join(told)}; remove one of them"
        yield written[key].problem(holding.field, graph[key], message)


def _too_many_held(
    places: Iterable[Place], segments: Mapping[str, SegmentDefinition]
) -> Iterator[SpecProblem]:
    """An experiment names them all in the manifest."""
    for place in places:
        path, names = _segments_named(place.written)
        if sum(1 for _ in islice(closure_of(names, segments), MAX_HELD + 1)) > MAX_HELD:
            message = f"with those that they hold over {MAX_HELD} segments; nest fewer"
            yield place.problem(path, names, message)


def _segments_named(written: ExperimentSpec | WrittenDefinition) -> tuple[str, tuple[str, ...]]:
    if isinstance(written, ExperimentSpec):
        return "audience.segments", written.experiment.audience.segments
    definition = written.definition
    return "segments", definition.segments if isinstance(definition, SegmentDefinition) else ()
