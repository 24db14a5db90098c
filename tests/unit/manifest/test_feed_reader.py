"""Documents of feeds: what they become, and what is refused."""

import pytest

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.manifest.definitions import (
    FeedDefinition,
    FeedWeights,
    KnownDefinitions,
    SegmentDefinition,
    definition_from_json,
    definition_to_json,
)
from fairlot.manifest.parts import feed_of, manifest_parts
from support.experiment_texts import problems_of, read_text

POPULAR, NEWEST, VIEWED = FeedAlgorithm
WHOLE = """\
kind: feed
key: shoes
name: Shoes
description: For the front page.
algorithm: most_popular
weights: {view: 0.5, order: 20}
halfLife: 36h
fillUp: [newest, most_popular]
only: {category: shoe, price: {$lt: 100}}
exclude: {availability: out_of_stock}
pin: [sku-1, sku/2]
fields: [id, title]
limit: 4
"""


def feed_in(text: str, *known: FeedDefinition) -> FeedDefinition:
    documents, problems = read_text(text, known=KnownDefinitions(known))
    assert list(map(str, problems)) == []
    definition = documents.definitions[0].definition
    assert isinstance(definition, FeedDefinition)
    assert definition_from_json(definition_to_json(definition)) == definition
    return definition


def test_feed__every_field__is_read() -> None:
    definition = feed_in(WHOLE)
    assert definition == FeedDefinition(
        key="shoes",
        name="Shoes",
        description="For the front page.",
        algorithm=POPULAR,
        weights=FeedWeights(0.5, 3, 20),
        half_life_ms=36 * 3_600_000,
        fill_up=("newest", "most_popular"),
        only={"category": "shoe", "price": {"$lt": 100}},
        exclude={"availability": "out_of_stock"},
        pin=("sku-1", "sku/2"),
        fields=("id", "title"),
        limit=4,
    )
    assert feed_of(definition) == Feed(
        "shoes",
        POPULAR,
        0.5,
        3,
        20,
        36 * 3_600_000,
        ("newest", "most_popular"),
        {"category": "shoe", "price": {"$lt": 100}},
        {"availability": "out_of_stock"},
        ("sku-1", "sku/2"),
        ("id", "title"),
        4,
    )


def test_feed__least__has_the_defaults_of_the_engine() -> None:
    definition = feed_in("kind: feed\nkey: fresh\nalgorithm: newest\n")
    assert feed_of(definition) == Feed("fresh", NEWEST)
    weighted = feed_in("kind: feed\nkey: a\nalgorithm: most_popular\nweights: {}\n")
    assert feed_of(weighted) == Feed("a", POPULAR)


def test_manifest__feeds__are_all_in_it_by_key() -> None:
    definitions = [
        FeedDefinition(key=key, name=key, algorithm=NEWEST) for key in ("b", "newest", "a")
    ]
    feeds = manifest_parts((), definitions, "web").feeds
    assert [each.key for each in feeds] == ["a", "b", "newest"]


FEED = "kind: feed\nkey: f\nalgorithm: most_popular\n"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("weights: {view: -1}", "weights.view: -1: write a number from 0 to 1000"),
        ("weights: {order: 1001}", "weights.order: 1001: write a number from 0 to 1000"),
        ("weights: {cart: true}", "weights.cart: true: write a number from 0 to 1000"),
        (
            "weights: {view: 0, cart: 0, order: 0}",
            "all are 0, so that nothing counts; make one of them more",
        ),
        ("weights: {views: 1}", "weights.views: 1: not a field here; did you mean view?"),
        ("halfLife: 3h", "since products are counted by the day"),
        ("halfLife: 400d", 'halfLife: "400d": write 365d at most'),
        ("fillUp: [zzz]", "no such feed; known: f, most_popular, newest, recently_viewed"),
        ("fillUp: [most_populer]", "no such feed; did you mean most_popular?"),
        ("limit: 101", "limit: 101: write a whole number from 1 to 100"),
        ("limit: 0", "limit: 0: write a whole number from 1 to 100"),
        ("only: {price: {$lte: [1]}, tag: {$nope: 1}}", "$nope is not an operator"),
        ("exclude: {id: {$inGroup: vips}}", "lists are of subjects, not of products"),
        ("pin: [1]", "pin[0]: 1: write a text; quote it if need be"),
    ],
)
def test_feed__not_as_it_must_be__is_refused_with_its_place(lines: str, problem: str) -> None:
    vips = SegmentDefinition(key="vips", name="VIPs", values=("v",))
    found = problems_of(FEED + lines + "\n", vips)
    assert any(problem in each for each in found), found


@pytest.mark.parametrize("lines", ["weights: {view: 1}", "halfLife: 7d"])
def test_feed__of_another_algorithm__has_no_weights(lines: str) -> None:
    (found,) = problems_of(f"kind: feed\nkey: f\nalgorithm: newest\n{lines}\n")
    assert "for the algorithm most_popular only; remove it" in found


def test_feed__named_as_a_built_in_one__is_of_its_algorithm() -> None:
    (found,) = problems_of("kind: feed\nkey: newest\nalgorithm: most_popular\n")
    assert found == (
        '3: algorithm: "most_popular": the feed newest is built in, and of this algorithm: newest'
    )
    assert feed_in("kind: feed\nkey: newest\nalgorithm: newest\nlimit: 3\n").limit == 3


@pytest.mark.parametrize(
    ("own", "known", "way"), [("[b]", ("a",), "a -> b -> a"), ("[newest, a]", (), "a -> a")]
)
def test_fill_ups__in_a_circle__are_refused(own: str, known: tuple[str, ...], way: str) -> None:
    other = FeedDefinition(key="b", name="b", algorithm=NEWEST, fill_up=known)
    text = f"kind: feed\nkey: a\nalgorithm: newest\nfillUp: {own}\n"
    (found,) = read_text(text, known=KnownDefinitions((other,)))[1]
    assert (found.line, found.path) == (4, "fillUp")
    assert found.message == f"a feed cannot fill itself up: {way}; remove one of them"
