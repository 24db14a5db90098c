"""Segments that hold segments: all of them, and ways back to themselves."""

import pytest

from fairlot.manifest.definitions import SegmentDefinition
from fairlot.manifest.segment_graph import closure_of, cycles_of


def graph_of(**held: str) -> dict[str, SegmentDefinition]:
    return {
        key: SegmentDefinition(key=key, name=key, segments=tuple(names.split()))
        for key, names in held.items()
    }


@pytest.mark.parametrize(
    ("names", "closure"),
    [
        ((), ()),
        (("d",), ("d",)),
        (("a",), ("a", "b", "d", "c")),
        (("c", "a"), ("c", "d", "a", "b")),
        (("gone", "b"), ("gone", "b", "d")),
    ],
)
def test_closure__of_names__has_each_once_before_what_it_holds(
    names: tuple[str, ...], closure: tuple[str, ...]
) -> None:
    assert tuple(closure_of(names, graph_of(a="b c", b="d", c="d", d=""))) == closure


def test_closure__of_a_cycle__ends() -> None:
    assert list(closure_of(["a"], graph_of(a="b", b="a"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("held", "cycles"),
    [
        ({"a": "b c", "b": "c", "c": "", "d": "a"}, []),
        ({"a": "gone"}, []),
        ({"a": "a"}, ["a a"]),
        ({"a": "b", "b": "c", "c": "a"}, ["a b c a"]),
        ({"x": "a", "a": "b", "b": "a", "c": "d", "d": "c"}, ["a b a", "c d c"]),
        ({"a": "b c", "b": "a", "c": "a"}, ["a b a", "a c a"]),
    ],
)
def test_cycles__of_segments__are_found(held: dict[str, str], cycles: list[str]) -> None:
    assert [" ".join(cycle) for cycle in cycles_of(graph_of(**held))] == cycles


def test_graph__of_a_chain_of_20000__is_walked_without_recursion() -> None:
    chain = graph_of(**{f"s{number}": f"s{number + 1}" for number in range(20_000)})
    assert len(list(closure_of(["s0"], chain))) == 20_001
    assert list(cycles_of(chain)) == []
