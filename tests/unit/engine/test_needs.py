"""Which experiments a client cannot decide, and what the server has to know to decide them."""

from typing import Any

import pytest

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    EventRule,
    Experiment,
    HistoryCondition,
    HistorySegment,
    Manifest,
    RuleSegment,
    Unit,
    Variant,
    VisitorStatus,
)
from fairlot.engine.bindings import feeds_bound
from fairlot.engine.history import MAX_WITHIN_MS
from fairlot.engine.needs import all_of, needing_server, needs_server, profile_needs

DAY_MS = 86_400_000
BUYERS = HistorySegment(
    "buyers",
    (
        HistoryCondition(EventRule("order", within_ms=30 * DAY_MS)),
        HistoryCondition(EventRule("refund"), performed=False),
        HistoryCondition(EventRule("order", count=2, within_ms=7 * DAY_MS)),
    ),
)
FANS = HistorySegment("fans", (HistoryCondition(EventRule("like", within_ms=DAY_MS)),))
PROS = RuleSegment("pros", {"tier": "pro"})
SEGMENTS = (BUYERS, FANS, PROS)


def experiment_of(key: str = "e", payload: Any = None, **fields: Any) -> Experiment:
    variants = (Variant("a", payload=payload), Variant("b"))
    return Experiment(key=key, salt=key, variants=variants, **fields)


def manifest_of(*experiments: Experiment | BrokenExperiment) -> Manifest:
    return Manifest("o", "p", 1, "", experiments, segments=SEGMENTS)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"audience": Audience(rule={"a": 1}, segments=("pros",))}, False),
        ({"payload": {"products": [{"feed": "popular"}]}}, False),
        ({"audience": Audience(segments=("gone",))}, False),
        ({"audience": Audience(segments=("pros", "buyers"))}, True),
        ({"audience": Audience(visitor_status=VisitorStatus.NEW)}, True),
        ({"display": "once"}, True),
        ({"activation": ActivationRule(EventRule("view"))}, True),
        ({"payload": {"products": {"$feed": "popular"}}}, True),
    ],
)
def test_experiment__by_what_it_asks__needs_the_server(
    fields: dict[str, Any], expected: bool
) -> None:
    experiment = experiment_of(**fields)
    assert needs_server(experiment, {each.key: each for each in SEGMENTS}) is expected
    assert (experiment.key in profile_needs(manifest_of(experiment))) is expected
    broken = BrokenExperiment("broken", "what it says")
    assert (experiment.key in needing_server(manifest_of(experiment, broken))) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"unit": Unit.ACCOUNT}, True),
        ({"audience": Audience(rule={"account.plan": "pro"})}, True),
        ({"audience": Audience(rule={"$or": [{"a": 1}, {"account": {"$exists": True}}]})}, True),
        ({"audience": Audience(segments=("of_companies",))}, True),
        ({"audience": Audience(rule={"accounts": 1, "my.account.plan": "pro"})}, False),
    ],
)
def test_experiment__that_asks_about_the_account__reads_the_profile_and_stays_with_clients(
    fields: dict[str, Any], expected: bool
) -> None:
    experiment = experiment_of(**fields)
    companies = RuleSegment("of_companies", {"account.size": {"$gt": 9}})
    manifest = Manifest("o", "p", 1, "", (experiment,), segments=(companies, *SEGMENTS))
    assert profile_needs(manifest) == ({experiment.key: {}} if expected else {})
    assert needing_server(manifest) == frozenset()


def test_needs__of_history__are_as_far_back_as_any_condition_asks() -> None:
    experiments = (
        experiment_of("both", audience=Audience(segments=("buyers", "fans", "pros"))),
        experiment_of("fans_only", audience=Audience(segments=("fans",))),
        experiment_of("shown_once", display="once"),
        experiment_of("for_all"),
        BrokenExperiment("broken", "what it says"),
    )
    needs = profile_needs(manifest_of(*experiments))
    assert needs == {
        "both": {"order": 30 * DAY_MS, "refund": MAX_WITHIN_MS, "like": DAY_MS},
        "fans_only": {"like": DAY_MS},
        "shown_once": {},
    }
    assert all_of(needs.values()) == needs["both"]
    assert all_of([]) == {}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, ()),
        ("$feed", ()),
        ({"$feed": "popular", "limit": 4}, ("popular",)),
        ({"$feed": {"$feed": "inner"}}, ("inner",)),
        (
            {"top": [{"$feed": "b"}, {"x": {"$feed": "a"}}], "then": ({"$feed": "b"},)},
            ("b", "a"),
        ),
    ],
)
def test_payload__names_feeds__in_order_and_once(payload: Any, expected: tuple[str, ...]) -> None:
    assert feeds_bound(payload) == expected
