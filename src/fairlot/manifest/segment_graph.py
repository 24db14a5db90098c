"""Segments that hold segments, and feeds that fill up feeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fairlot.manifest.definitions import SegmentDefinition

Segments = Mapping[str, SegmentDefinition]
Graph = Mapping[str, Sequence[str]]
"""What each name holds."""


def closure_of(names: Iterable[str], segments: Segments) -> Iterator[str]:
    """The segments named and all that they hold, each once and before what it holds.

    A name that is not in `segments` stays, without more. Cycles do no harm.
    """
    found: set[str] = set()
    waiting = [*names][::-1]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            yield name
            waiting += _held_by(name, segments)[::-1]


def cycles_of(segments: Segments) -> Iterator[tuple[str, ...]]:
    return cycles_in({key: each.segments for key, each in segments.items()})


def cycles_in(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Ways from a name to itself, both ends included: one at least for each knot of them."""
    done: set[str] = set()
    for start in graph:
        if start not in done:
            yield from _cycles_from(start, graph, done)


def _cycles_from(start: str, graph: Graph, done: set[str]) -> Iterator[tuple[str, ...]]:
    """A walk in depth without recursion; `way` maps the names on it to what is left of each."""
    way = {start: iter(graph.get(start, ()))}
    while way:
        last = next(reversed(way))
        held = next(way[last], None)
        if held is None:
            done.add(last)
            del way[last]
        elif held in way:
            names = [*way]
            yield (*names[names.index(held) :], held)
        elif held not in done:
            way[held] = iter(graph.get(held, ()))


def _held_by(name: str, segments: Segments) -> tuple[str, ...]:
    return segments[name].segments if name in segments else ()
