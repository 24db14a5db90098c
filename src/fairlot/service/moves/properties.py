"""Which properties, captured from events, an audience looks at."""

from collections.abc import Iterable, Iterator

from fairlot.engine import HistorySegment, ListSegment, PropertyRule, RuleSegment
from fairlot.engine.conditions import paths_read
from fairlot.engine.model import Audience, Segment


def properties_read(
    audience: Audience, segments: Iterable[Segment], properties: Iterable[PropertyRule]
) -> dict[str, PropertyRule]:
    """By key; `segments` are those that the audience reaches."""
    names = {path.partition(".")[0] for path in _paths(audience, segments)}
    return {each.key: each for each in properties if each.key in names}


def _paths(audience: Audience, segments: Iterable[Segment]) -> Iterator[str]:
    yield from paths_read(audience.rule)
    for segment in segments:
        if isinstance(segment, RuleSegment | HistorySegment):
            yield from paths_read(segment.rule)
        elif isinstance(segment, ListSegment) and segment.attribute is not None:
            yield segment.attribute
