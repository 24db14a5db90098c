"""What the documents of one reading may name: each other, and what the project has."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fairlot.engine import FeedAlgorithm, ListSegment
from fairlot.manifest.definitions import (
    DocumentKind,
    FeedDefinition,
    KnownDefinitions,
    MetricDefinition,
    SegmentDefinition,
)
from fairlot.manifest.nodes import Document, MapNode, Scalar, entry_of
from fairlot.manifest.problems import suggestion


@dataclass(frozen=True, slots=True)
class Names:
    """`lists` are those of the segments that are lists, as the engine wants them to check rules.
    `metrics` say whether they have a margin. `feeds` are the built-in ones too."""

    segments: frozenset[str]
    lists: Mapping[str, ListSegment]
    metrics: Mapping[str, bool]
    feeds: frozenset[str]


def names_of(documents: Iterable[Document], known: KnownDefinitions) -> Names:
    """A document counts also when it is wrong elsewhere, so that one mistake is told once."""
    segments = {
        each.key: each.is_list for each in known.definitions if isinstance(each, SegmentDefinition)
    }
    metrics = {
        each.key: each.margin is not None
        for each in known.definitions
        if isinstance(each, MetricDefinition)
    }
    feeds = {each.key for each in known.definitions if isinstance(each, FeedDefinition)}
    for document in documents:
        root = document.root
        if not isinstance(root, MapNode):
            continue
        kind, key = _text(root, "kind"), _text(root, "key")
        if kind == DocumentKind.SEGMENT:
            segments[key] = entry_of(root, "values") is not None
        elif kind == DocumentKind.METRIC:
            metrics[key] = entry_of(root, "margin") is not None
        elif kind == DocumentKind.FEED:
            feeds.add(key)
    lists = {key: ListSegment(key) for key, is_list in segments.items() if is_list}
    return Names(frozenset(segments), lists, metrics, frozenset((*FeedAlgorithm, *feeds)))


def unknown_name(noun: str, name: str, known: Collection[str]) -> str:
    """What to say of a name that is not known."""
    if known:
        return f"no such {noun}; {suggestion(name, known)}"
    return f"no such {noun}; there is none yet: write one in a document of `kind: {noun}`"


def _text(root: MapNode, name: str) -> str:
    node = entry_of(root, name)
    return node.text if isinstance(node, Scalar) else ""
