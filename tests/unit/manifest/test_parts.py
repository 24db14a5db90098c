"""From experiments and definitions to what a manifest holds of them."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    Context,
    EventRule,
    Experiment,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    Reason,
    RuleSegment,
    Segment,
    Variant,
    compile_manifest,
    decide,
)
from fairlot.manifest import manifest_from_json, manifest_to_json
from fairlot.manifest.definitions import (
    Definition,
    HistoryConditionDefinition,
    HoldoutDefinition,
    LayerDefinition,
    MetricDefinition,
    SegmentDefinition,
)
from fairlot.manifest.parts import manifest_parts
from fairlot.stats.metrics import MetricKind

ORDERED = HistoryConditionDefinition(event="order", where={"value": 5}, count=2, within_ms=1000)
REFUNDED = HistoryConditionDefinition(event="refund", performed=False)


def experiment_of(key: str = "e", **fields: Any) -> Experiment:
    return Experiment(key=key, salt=key, variants=(Variant("a"), Variant("b")), **fields)


def segment(key: str, **fields: Any) -> SegmentDefinition:
    return SegmentDefinition(key=key, name=key, **fields)


def manifest_of(experiment: Experiment, definitions: Iterable[Definition]) -> Manifest:
    """Through the wire, as a client has it."""
    parts = manifest_parts([experiment], definitions, "web")
    manifest = Manifest(
        "org", "web", 1, "", parts.experiments, parts.holdout, parts.layers, parts.segments
    )
    return manifest_from_json(manifest_to_json(manifest))


def is_in(manifest: Manifest, subject: str, **attributes: Any) -> bool:
    decision = decide(compile_manifest(manifest), "e", subject, Context(attributes=attributes))
    assert decision.reason in (Reason.BUCKET, Reason.AUDIENCE)
    return decision.reason is Reason.BUCKET


def test_parts__of_nothing__are_none() -> None:
    parts = manifest_parts([], [], "web")
    assert (parts.experiments, parts.holdout, parts.layers, parts.segments) == ((), None, (), ())


def test_parts__salts__have_their_documented_defaults() -> None:
    layer = LayerRange("page", 0, 10)
    definitions: list[Definition] = [
        LayerDefinition(key="page", name="P"),
        HoldoutDefinition(key="all", name="A", rate_bp=500),
    ]
    parts = manifest_parts([experiment_of(layer=layer)], definitions, "web")
    assert parts.layers == (Layer("page", "layer.page"),)
    assert parts.holdout == Holdout("all", "holdout.web", 500)


def test_parts__salts_that_are_written__are_kept() -> None:
    layer = LayerRange("page", 0, 10)
    definitions: list[Definition] = [
        LayerDefinition(key="page", name="P", salt="p"),
        HoldoutDefinition(key="all", name="A", rate_bp=500, salt="h"),
    ]
    parts = manifest_parts([experiment_of(layer=layer)], definitions, "web")
    assert parts.layers == (Layer("page", "p"),)
    assert parts.holdout == Holdout("all", "h", 500)


def test_layer__that_is_only_named__is_there_and_an_unused_one_is_not() -> None:
    layer = LayerRange("named", 0, 10)
    unused = LayerDefinition(key="unused", name="U")
    parts = manifest_parts([experiment_of(layer=layer)], [unused], "web")
    assert parts.layers == (Layer("named", "layer.named"),)


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (segment("s", rule={"a": 1}), RuleSegment("s", {"a": 1})),
        (segment("s", segments=("t",)), RuleSegment("s", {})),
        (
            segment("s", values=("v", 1), attribute="a.b", is_public=True),
            ListSegment("s", ("v", 1), "a.b"),
        ),
        (
            segment("s", values=("ä",), attribute="a.b"),
            ListSegment(
                "s",
                attribute="a.b",
                salt="segment.s",
                # The recipe of RULES.md, spelt out.
                hashes=frozenset({hashlib.sha256("segment.sä".encode()).hexdigest()[:32]}),
            ),
        ),
        (
            segment("s", values=("v",), salt="x"),
            ListSegment("s", salt="x", hashes=frozenset({hashlib.sha256(b"xv").hexdigest()[:32]})),
        ),
        (segment("s", values=()), ListSegment("s", salt="segment.s")),
        (
            segment("s", rule={"a": 1}, history=(ORDERED, REFUNDED)),
            HistorySegment(
                "s",
                (
                    HistoryCondition(EventRule("order", {"value": 5}, 2, 1000)),
                    HistoryCondition(EventRule("refund"), performed=False),
                ),
                {"a": 1},
            ),
        ),
        (
            segment("s", history=(REFUNDED,)),
            HistorySegment("s", (HistoryCondition(EventRule("refund"), performed=False),)),
        ),
    ],
)
def test_segment__of_each_form__is_what_the_engine_knows(
    definition: SegmentDefinition, expected: Segment
) -> None:
    named = experiment_of(audience=Audience(segments=("s",)))
    assert manifest_parts([named], [definition], "web").segments == (expected,)


def test_lists__that_events_are_compared_with__are_there() -> None:
    looked_up = {"sku": {"$inGroup": "shoes"}}
    history = (HistoryConditionDefinition(event="order", where=looked_up),)
    definitions = [
        segment("buyers", history=history),
        segment("shoes", values=("s1",)),
        segment("boots", values=("s2",)),
    ]
    named = experiment_of(audience=Audience(segments=("buyers",)))
    parts = manifest_parts([named], definitions, "web")
    assert [each.key for each in parts.segments] == ["buyers", "shoes"]
    when = EventRule("view", {"sku": {"$inGroup": "boots"}})
    triggered = experiment_of(activation=ActivationRule(when))
    parts = manifest_parts([triggered], definitions, "web")
    assert [each.key for each in parts.segments] == ["boots"]


def test_segments__named_by_nobody__stay_out() -> None:
    definitions: list[Definition] = [
        segment("unused", rule={"a": 1}),
        MetricDefinition(key="m", name="M", type=MetricKind.SUM, event_name="e"),
    ]
    broken = BrokenExperiment("b", "unreadable")
    parts = manifest_parts([experiment_of(), broken], definitions, "web")
    assert parts.segments == ()
    assert parts.experiments == (experiment_of(), broken)


def test_segments__named_in_rules_of_any_depth__are_there() -> None:
    rule = {
        "$or": [{"a": {"$not": {"$inGroup": "one"}}}, {"b": {"$elemMatch": {"$notInGroup": "two"}}}]
    }
    definitions = [
        segment("one", values=("v",)),
        segment("two", values=("v",)),
        segment("three", values=("v",)),
        segment("ruled", rule={"c": {"$inGroup": "three"}}),
        segment("outer", segments=("ruled",)),
    ]
    named = experiment_of(audience=Audience(rule=rule, segments=("outer",)))
    parts = manifest_parts([named], definitions, "web")
    assert [each.key for each in parts.segments] == ["one", "outer", "ruled", "three", "two"]
    (experiment,) = parts.experiments
    assert isinstance(experiment, Experiment)
    assert experiment.audience == Audience(rule=rule, segments=("outer", "ruled"))


def test_nested_segments__all_of_them__must_hold() -> None:
    definitions = [
        segment("paying", rule={"plan": "paid"}),
        segment("german", rule={"country": "DE"}, segments=("paying",)),
        segment("both", segments=("german",)),
    ]
    manifest = manifest_of(experiment_of(audience=Audience(segments=("both",))), definitions)
    assert is_in(manifest, "s", plan="paid", country="DE")
    assert not is_in(manifest, "s", plan="paid", country="FR")
    assert not is_in(manifest, "s", plan="free", country="DE")


@pytest.mark.parametrize("is_public", [True, False])
def test_list_segment__of_subject_ids__holds_its_members(is_public: bool) -> None:
    listed = segment("vips", values=("anna", "ὀδός"), is_public=is_public)
    manifest = manifest_of(experiment_of(audience=Audience(segments=("vips",))), [listed])
    assert is_in(manifest, "anna")
    assert is_in(manifest, "ὀδός")
    assert not is_in(manifest, "bert")
    assert (b"anna" in manifest_to_json(manifest)) is is_public


def test_list_segment__of_an_attribute__holds_by_its_value() -> None:
    listed = segment("firms", values=("acme",), attribute="company.id")
    manifest = manifest_of(experiment_of(audience=Audience(segments=("firms",))), [listed])
    assert is_in(manifest, "s", company={"id": "acme"})
    assert not is_in(manifest, "acme")


def test_list_segment__in_a_rule__is_looked_up_by_the_attribute_of_the_rule() -> None:
    listed = segment("firms", values=("acme",), attribute="ignored")
    rule = {"employer": {"$inGroup": "firms"}, "former": {"$notInGroup": "firms"}}
    manifest = manifest_of(experiment_of(audience=Audience(rule=rule)), [listed])
    assert is_in(manifest, "s", employer="acme")
    assert not is_in(manifest, "s", employer="acme", former="acme")
    assert not is_in(manifest, "s", ignored="acme")
