"""What differs between two versions."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    ActivationRule,
    EventRule,
    Feed,
    FeedAlgorithm,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    PropertyRule,
    RuleSegment,
    Status,
)
from fairlot.manifest import manifest_to_json
from fairlot.service.manifest_diff import ManifestDiff, diff_manifests
from support.serving import a_variant, an_experiment


def payload(*experiments: Any, **fields: Any) -> bytes:
    return manifest_to_json(
        Manifest("acme", "shop", 3, "2026-11-23T06:00:00.000Z", experiments, **fields)
    )


def told(diff: ManifestDiff) -> Any:
    """As it is over HTTP."""
    return msgspec.json.decode(msgspec.json.encode(diff))["differences"]


def test_diff__same_content__is_empty() -> None:
    one = payload(an_experiment(), layers=(Layer("checkout", "s"),), keys=("k1",))
    assert diff_manifests(one, one) == ManifestDiff(differences=(), keys_added=(), keys_removed=())


def test_diff__experiments__added_removed_and_changed_in_order_of_their_keys() -> None:
    before = payload(an_experiment("b"), an_experiment("c"))
    after = payload(
        an_experiment("c", name="Better", status=Status.PAUSED, salt="other"), an_experiment("a")
    )
    assert told(diff_manifests(before, after)) == [
        {"kind": "experiment", "key": "a", "change": "added", "fields": []},
        {"kind": "experiment", "key": "b", "change": "removed", "fields": []},
        {
            "kind": "experiment",
            "key": "c",
            "change": "changed",
            "fields": [
                {"path": "status", "before": "running", "after": "paused"},
                {"path": "name", "before": "C", "after": "Better"},
                {"path": "salt", "after": "other"},
            ],
        },
    ]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0)])
def test_diff__value_of_another_type__is_told(old: object, new: object) -> None:
    before, after = (
        payload(an_experiment(metadata={"n": each}), segments=(RuleSegment("s", {"vip": each}),))
        for each in (old, new)
    )
    differences = told(diff_manifests(before, after))
    assert [each["key"] for each in differences] == ["hero", "s"]
    for each in differences:
        (field,) = each["fields"]
        assert repr(field["before"]) != repr(field["after"])


def test_diff__what_activates__is_told_as_it_is_written() -> None:
    rule = ActivationRule(EventRule("view", {"page": "p"}, 3, 7 * 86_400_000), control_share_bp=0)
    before, after = (
        payload(an_experiment(activation=activation))
        for activation in (None, replace(rule, for_ms=12 * 3_600_000, limit=2))
    )
    (change,) = told(diff_manifests(before, after))
    assert change["fields"] == [
        {
            "path": "when",
            "after": {"event": "view", "where": {"page": "p"}, "count": 3, "within": "7d"},
        },
        {"path": "for", "after": "12h"},
        {"path": "limit", "after": 2},
        {"path": "controlShare", "after": 0.0},
    ]


def test_diff__history_of_a_segment__is_told_as_it_is_written() -> None:
    before, after = (
        payload(
            segments=(
                HistorySegment(
                    "s", (HistoryCondition(EventRule("order", within_ms=ms), performed=False),)
                ),
            )
        )
        for ms in (60_000, 90_000)
    )
    (change,) = told(diff_manifests(before, after))
    assert change["fields"] == [
        {
            "path": "history",
            "before": [{"event": "order", "within": "1m", "performed": False}],
            "after": [{"event": "order", "within": "90s", "performed": False}],
        }
    ]


def test_diff__properties_and_feeds__are_told_too() -> None:
    before = payload(
        properties=(PropertyRule("page", EventRule("view"), "page"),),
        feeds=(Feed("top", FeedAlgorithm.NEWEST),),
    )
    after = payload(
        properties=(PropertyRule("page", EventRule("view", within_ms=1000), "page"),),
        feeds=(Feed("new", FeedAlgorithm.NEWEST),),
    )
    assert told(diff_manifests(before, after)) == [
        {
            "kind": "property",
            "key": "page",
            "change": "changed",
            "fields": [
                {
                    "path": "when",
                    "before": {"event": "view"},
                    "after": {"event": "view", "within": "1s"},
                }
            ],
        },
        {"kind": "feed", "key": "new", "change": "added", "fields": []},
        {"kind": "feed", "key": "top", "change": "removed", "fields": []},
    ]


def test_diff__a_variant__is_told_by_its_key() -> None:
    before, after = (
        payload(
            an_experiment(
                variants=(
                    a_variant("control", is_control=True, weight=weight),
                    a_variant("bold", weight=10_000 - weight),
                )
            )
        )
        for weight in (6000, 5000)
    )
    (only,) = told(diff_manifests(before, after))
    assert only["fields"] == [
        {"path": "variants.control.weight", "before": 6000, "after": 5000},
        {"path": "variants.bold.weight", "before": 4000, "after": 5000},
    ]


def test_diff__layers_segments_and_holdout__are_told_as_in_yaml() -> None:
    ranged = an_experiment(layer=LayerRange("checkout", 0, 5000))
    before = payload(
        ranged,
        layers=(Layer("checkout", "one"), Layer("old", "layer.old")),
        segments=(RuleSegment("vip", {"plan": "gold"}),),
        holdout=Holdout("quiet", "s", 500),
    )
    after = payload(
        ranged,
        layers=(Layer("checkout", "two"),),
        segments=(RuleSegment("vip", {"plan": "silver"}), ListSegment("staff", values=("a",))),
        holdout=Holdout("quiet", "s", 1000),
    )
    assert [
        (each["kind"], each["key"], each["change"], each["fields"])
        for each in told(diff_manifests(before, after))
    ] == [
        ("layer", "checkout", "changed", [{"path": "salt", "before": "one", "after": "two"}]),
        ("layer", "old", "removed", []),
        ("segment", "staff", "added", []),
        (
            "segment",
            "vip",
            "changed",
            [{"path": "rule", "before": {"plan": "gold"}, "after": {"plan": "silver"}}],
        ),
        ("holdout", "quiet", "changed", [{"path": "rate", "before": 0.05, "after": 0.1}]),
    ]


def test_diff__a_holdout_of_another_name__is_another_holdout() -> None:
    before, after = (payload(holdout=Holdout(key, "s", 500)) for key in ("one", "two"))
    found = [(each["key"], each["change"]) for each in told(diff_manifests(before, after))]
    assert found == [("one", "removed"), ("two", "added")]


def test_diff__signing_keys__are_told_apart() -> None:
    diff = diff_manifests(payload(keys=("k1", "k2")), payload(keys=("k2", "k3")))
    assert (diff.keys_added, diff.keys_removed) == (("k3",), ("k1",))
    assert diff.differences == ()


def test_diff__with_nothing_before__has_all_added() -> None:
    diff = diff_manifests(None, payload(an_experiment(), keys=("k1",)))
    assert [(each.key, each.change) for each in diff.differences] == [("hero", "added")]
    assert diff.keys_added == ("k1",)


@pytest.mark.parametrize("broken_first", [True, False])
def test_diff__an_experiment_that_cannot_be_read__is_told(broken_first: bool) -> None:
    good = payload(an_experiment())
    document = msgspec.json.decode(good)
    document["experiments"] = [{"key": "hero"}]
    broken = msgspec.json.encode(document)
    pair = (broken, good) if broken_first else (good, broken)
    (only,) = told(diff_manifests(*pair))
    assert only["change"] == "changed"
    sides = {side for field in only["fields"] if field["path"] == "problem" for side in field}
    assert sides == {"path", "before" if broken_first else "after"}
