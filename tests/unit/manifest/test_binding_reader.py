"""Feeds that payloads bind: what is refused when an experiment is saved."""

import pytest

from fairlot.engine import FeedAlgorithm
from fairlot.manifest.definitions import FeedDefinition
from support.experiment_texts import HEAD, problems_of, read_experiments

HATS = FeedDefinition(key="hats", name="Hats", algorithm=FeedAlgorithm.NEWEST)


def text_with(payload: str) -> str:
    return (
        f"{HEAD}variants:\n  - {{key: a, name: A, payload: {payload}}}\n  - {{key: b, name: B}}\n"
    )


@pytest.mark.parametrize(
    "payload",
    [
        "{top: {$feed: newest}}",
        "[1, {deep: [{$feed: most_popular, limit: 100, offset: 1000, fields: [id, title]}]}]",
        "{$feed: recently_viewed, limit: 1}",
    ],
)
def test_binding__of_a_built_in_feed__is_kept_as_it_is(payload: str) -> None:
    (spec,), problems = read_experiments(text_with(payload))
    assert problems == ()
    assert spec.experiment.variants[0].payload is not None


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("{$feed: hatz}", 'payload.$feed: "hatz": no such feed; did you mean hats?'),
        ("{$feed: 1}", 'payload.$feed: 1: write a text; quote it, as in "1"'),
        ("{$feed: null}", "payload.$feed: null: missing; it is required"),
        ("{$feed: hats, limit: 0}", "payload.limit: 0: write a whole number from 1 to 100"),
        ("{$feed: hats, offset: 1001}", "payload.offset: 1001: write a whole number from 0 to"),
        ("{$feed: hats, fields: id}", 'payload.fields: "id": write a list, as in [a, b]'),
        ("{$feed: hats, limt: 4}", "payload.limt: 4: not a field here; did you mean limit?"),
        ("[{}, {a: [{$feed: nope}]}]", 'payload[1].a[0].$feed: "nope": no such feed; known: hats,'),
    ],
)
def test_binding__not_as_it_must_be__is_refused_with_its_place(payload: str, problem: str) -> None:
    found = problems_of(text_with(payload), HATS)
    assert any(f"variants[0].{problem}" in each for each in found), found
