"""Conditions over what a subject did, alone and in segments."""

from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    Context,
    EventRule,
    Experiment,
    HistoryCondition,
    HistorySegment,
    InvalidExperiment,
    ListSegment,
    Manifest,
    Occurrence,
    Reason,
    Variant,
    check_experiment,
    compile_manifest,
    decide,
    explain,
)
from fairlot.engine.history import MAX_WITHIN_MS, check_event_rule, compile_event_rule

NOW_MS = 1_000_000


def done(*at_ms: int, **properties: Any) -> list[Occurrence]:
    return [Occurrence(each, properties) for each in at_ms]


@pytest.mark.parametrize(
    ("rule", "history", "expected"),
    [
        (EventRule("order"), {}, False),
        (EventRule("order"), {"view": done(NOW_MS)}, False),
        (EventRule("order"), {"order": done(0)}, True),
        (EventRule("order"), {"order": done(NOW_MS)}, True),
        (EventRule("order"), {"order": done(NOW_MS + 1)}, False),
        (EventRule("order", count=2), {"order": done(NOW_MS + 1, 5)}, False),
        (EventRule("order", count=2), {"order": done(NOW_MS, 5)}, True),
        (EventRule("order", within_ms=10), {"order": done(NOW_MS - 10)}, False),
        (EventRule("order", within_ms=10), {"order": done(NOW_MS - 9)}, True),
        (EventRule("order", count=2, within_ms=10), {"order": done(NOW_MS, NOW_MS - 10)}, False),
        (EventRule("order", {"value": {"$gte": 50}}), {"order": done(1, value=49)}, False),
        (EventRule("order", {"value": {"$gte": 50}}), {"order": done(1, value=50)}, True),
        (EventRule("order", {"value": 50}, 2), {"order": done(2, 1, value=50)}, True),
        (EventRule("order", {"value": 50}, 3), {"order": done(2, 1, value=50)}, False),
        (
            EventRule("order", {"value": 50}, 2),
            {"order": [*done(2, value=50), *done(1, value=51)]},
            False,
        ),
        (EventRule("order", {"account": "a"}), {"order": done(1, account="a")}, True),
    ],
)
def test_event_rule__over_a_history__counts_what_satisfies_it(
    rule: EventRule, history: dict[str, list[Occurrence]], expected: bool
) -> None:
    assert compile_event_rule(rule)(history, NOW_MS) is expected


def test_event_rule__over_a_list__looks_it_up() -> None:
    holds = compile_event_rule(
        EventRule("order", {"sku": {"$inGroup": "shoes"}}), {"shoes": ListSegment("shoes", ("s1",))}
    )
    assert holds({"order": done(1, sku="s1")}, NOW_MS)
    assert not holds({"order": done(1, sku="s2")}, NOW_MS)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (EventRule("e", count=0), "count: 0: use 1 to 1000"),
        (EventRule("e", count=1001), "count: 1001: use 1 to 1000"),
        (EventRule("e", within_ms=0), "within: 0: use more than 0 s, 400 days at most"),
        (EventRule("e", within_ms=MAX_WITHIN_MS + 1), "within: 34560000001: use more than 0 s"),
        (EventRule("e", {"a": {"$gtt": 1}}), "where.a.$gtt: '$gtt': not an operator"),
    ],
)
def test_event_rule__out_of_range__says_what_to_do(rule: EventRule, message: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        compile_event_rule(rule)
    assert str(caught.value).startswith(message)


def test_event_rule__at_the_limits__is_sound() -> None:
    check_event_rule(EventRule("e", count=1000, within_ms=MAX_WITHIN_MS))
    check_event_rule(EventRule("e", count=1, within_ms=1))


BUYERS = HistorySegment(
    "buyers",
    (
        HistoryCondition(EventRule("order", count=2)),
        HistoryCondition(EventRule("refund", within_ms=100), performed=False),
    ),
    {"tier": "pro"},
)
SALE = Experiment(
    "sale", "sale", (Variant("a"), Variant("b")), audience=Audience(segments=("buyers",))
)
COMPILED = compile_manifest(Manifest("o", "p", 1, "", (SALE,), segments=(BUYERS,)))
PRO = {"tier": "pro"}
TWICE = {"order": done(5, 4)}


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (Context(PRO, now_ms=NOW_MS, history=TWICE), Reason.BUCKET),
        (Context(PRO, now_ms=NOW_MS, history={**TWICE, "refund": done(0)}), Reason.BUCKET),
        (Context(PRO, now_ms=NOW_MS, history={**TWICE, "refund": done(NOW_MS)}), Reason.AUDIENCE),
        (Context(PRO, now_ms=NOW_MS, history={"order": done(5)}), Reason.AUDIENCE),
        (Context({}, now_ms=NOW_MS, history=TWICE), Reason.AUDIENCE),
        (Context(PRO, now_ms=NOW_MS), Reason.AUDIENCE),
    ],
)
def test_segment__of_a_history__holds_with_all_of_it(context: Context, reason: Reason) -> None:
    assert decide(COMPILED, "sale", "anna", context).reason is reason


def test_segment__of_a_history_without_a_rule__asks_for_no_attribute() -> None:
    idle = HistorySegment("buyers", (HistoryCondition(EventRule("order"), performed=False),))
    compiled = compile_manifest(Manifest("o", "p", 1, "", (SALE,), segments=(idle,)))
    assert decide(compiled, "sale", "anna", Context(history={})).reason is Reason.BUCKET
    assert decide(compiled, "sale", "anna", Context()).reason is Reason.AUDIENCE


def test_segment__of_a_history__explained__says_how_often_each_was_done() -> None:
    context = Context(PRO, now_ms=NOW_MS, history={**TWICE, "view": done(1)})
    steps = {step.name: step for step in explain(COMPILED, "sale", "anna", context).steps}
    assert steps["person"].details["history"] == {"order": 2, "refund": 0}
    unknown = {step.name: step for step in explain(COMPILED, "sale", "anna", Context()).steps}
    assert unknown["person"].details["history"] is None
    assert unknown["person"].note == "segments.buyers: no match: no variant, reason audience"


def test_segment__with_an_unsound_condition__breaks_who_names_it() -> None:
    broken = HistorySegment(
        "buyers", (BUYERS.conditions[0], HistoryCondition(EventRule("e", count=0)))
    )
    with pytest.raises(InvalidExperiment) as caught:
        check_experiment(SALE, segments=(broken,))
    assert str(caught.value) == "audience.segments.buyers.history[1].count: 0: use 1 to 1000"
