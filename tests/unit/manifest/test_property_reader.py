"""Documents of properties: what they become, and what is refused."""

import pytest

from fairlot.engine import EventRule, ListSegment, PropertyRule, Take
from fairlot.manifest.definitions import (
    EventRuleDefinition,
    KnownDefinitions,
    PropertyDefinition,
    SegmentDefinition,
    definition_from_json,
    definition_to_json,
)
from fairlot.manifest.parts import manifest_parts, property_of
from support.experiment_texts import problems_of, read_text

WHOLE = """\
kind: property
key: spent
name: Spent
description: On shoes.
when:
  event: order
  where: {category: shoe, buyer: {$inGroup: staff}}
  count: 2
  within: 7d
value: cart.total
take: sum
"""
STAFF = SegmentDefinition(key="staff", name="Staff", values=("anna",), is_public=True)


def property_in(text: str, *known: SegmentDefinition) -> PropertyDefinition:
    documents, problems = read_text(text, known=KnownDefinitions(known))
    assert list(map(str, problems)) == []
    definition = documents.definitions[0].definition
    assert isinstance(definition, PropertyDefinition)
    assert definition_from_json(definition_to_json(definition)) == definition
    return definition


def test_property__every_field__is_read() -> None:
    definition = property_in(WHOLE, STAFF)
    assert definition == PropertyDefinition(
        key="spent",
        name="Spent",
        description="On shoes.",
        when=EventRuleDefinition(
            event="order",
            where={"category": "shoe", "buyer": {"$inGroup": "staff"}},
            count=2,
            within_ms=7 * 86_400_000,
        ),
        value="cart.total",
        take=Take.SUM,
    )
    assert property_of(definition) == PropertyRule(
        "spent",
        EventRule(
            "order",
            {"category": "shoe", "buyer": {"$inGroup": "staff"}},
            2,
            7 * 86_400_000,
        ),
        "cart.total",
        Take.SUM,
    )


def test_property__little_said__takes_the_last() -> None:
    definition = property_in("kind: property\nkey: page\nwhen: {event: view}\nvalue: page\n")
    assert property_of(definition) == PropertyRule("page", EventRule("view"), "page", Take.LAST)
    assert definition.name == "page"


def test_properties__of_a_project__are_in_its_manifest_by_key_with_their_lists() -> None:
    views = property_in("kind: property\nkey: views\nwhen: {event: view}\ntake: count\n")
    parts = manifest_parts([], [views, property_in(WHOLE, STAFF), STAFF], "shop")
    assert [each.key for each in parts.properties] == ["spent", "views"]
    assert parts.segments == (ListSegment("staff", ("anna",)),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("value: page", "when: missing; it is required"),
        ("when: {event: view}", "value: missing; write the path of a property of the event, or"),
        ("when: {event: view}\nvalue: page\ntake: count", "not with `take: count`, which counts"),
        ("when: {event: view}\nvalue: $page", "write the path of a property of the event, as in"),
        ("when: {event: view}\nvalue: a..b", "write the path of a property of the event, as in"),
        ("when: {event: view}\nvalue: page\ntake: lst", "write one of last, first, highest"),
        ("when: view\nvalue: page", "when:"),
        ("when: {}\nvalue: page", "when.event: missing"),
        ("when: {event: view, count: 0}\nvalue: page", "when.count: 0:"),
        ("when: {event: view, where: {a: {$no: 1}}}\nvalue: page", "when.where.a.$no"),
        ("when: {event: view, where: {a: {$inGroup: no}}}\nvalue: page", "when.where.a.$inGroup"),
        ("when: {event: view, within: 401d}\nvalue: page", "write 400d at most"),
        ("when: {event: view}\nvalue: page\nrule: {a: 1}", "rule:"),
    ],
)
def test_property__refused__says_what_to_do(text: str, problem: str) -> None:
    problems = problems_of(f"kind: property\nkey: p\n{text}\n")
    assert any(problem in each for each in problems), problems
