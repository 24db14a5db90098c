"""What is asked of the warehouse for an experiment, of what is stored."""

import pytest

from fairlot.service.actions import Asked, act
from fairlot.service.lifecycle import Action
from fairlot.service.questions import UnknownExperiment
from fairlot.service.results import InvalidSegment, NotStarted, question_of
from fairlot.service.results.questions import Moment, plan_of, study_of
from fairlot.stats.metrics import Aggregate, EventTotal, MetricKind, Role, Winsorisation
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import Method
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase, Question
from fairlot.store import Store
from support.applying import ANNA, apply_texts, tenant_of
from unit.service.conftest import NOW_MS, Apply

DAY_MS = 86_400_000
REVENUE = "kind: metric\nkey: revenue\nname: Revenue\ntype: sum\neventName: order\nmargin: 1\n"
METRICS = """metrics:
  - {metric: revenue, isGuardrail: true}
  - {key: bought, kind: conversion, eventName: order, window: 3d, minimumEffect: 0.01}
  - {key: basket, kind: mean, eventName: order, where: {shop: a}, winsorise: {quantile: 1}}
"""


def hero(*lines: str, weights: tuple[int, int] = (5000, 5000), rate: float = 1) -> str:
    first, second = weights
    variants = (
        f"variants: [{{key: a, name: A, weight: {first}, recipeSampleRate: {rate}}},"
        f" {{key: b, name: B, weight: {second}}}]"
    )
    return "\n".join(("key: hero", "name: Hero", *lines, variants, ""))


def asked(
    store: Store,
    key: str = "hero",
    *,
    now_ms: int = NOW_MS,
    as_of_ms: int | None = None,
    segment_by: str | None = None,
) -> Question:
    with store.reading() as connection:
        return question_of(
            connection,
            tenant_of(connection),
            key,
            now_ms=now_ms,
            as_of_ms=as_of_ms,
            segment_by=segment_by,
        )


def test_question__of_an_experiment__has_its_metrics_and_its_arms(
    store: Store, apply: Apply
) -> None:
    apply(REVENUE, hero(METRICS, weights=(2000, 8000), rate=0.5))
    question = asked(store, now_ms=NOW_MS + DAY_MS)
    revenue, bought, basket = question.metrics
    assert (revenue.role, bought.role, basket.role) == (
        Role.GUARDRAIL,
        Role.PRIMARY,
        Role.SECONDARY,
    )
    assert revenue.numerator == EventTotal("order", Aggregate.SUM)
    assert (revenue.margin, revenue.winsorisation) == (1.0, Winsorisation(quantile=0.999))
    assert (bought.window_ms, bought.minimum_effect) == (3 * DAY_MS, 0.01)
    assert bought.winsorisation == Winsorisation()
    assert basket.kind is MetricKind.MEAN
    assert basket.numerator == EventTotal("order", Aggregate.SUM, {"shop": "a"})
    assert basket.denominator == EventTotal("order", Aggregate.COUNT, {"shop": "a"})
    assert basket.winsorisation == Winsorisation()
    # 0.2 * 0.5 against 0.8 * 1
    (phase,) = question.phases
    assert [(arm.variant_key, arm.is_control) for arm in phase.arms] == [("a", True), ("b", False)]
    assert [arm.share for arm in phase.arms] == pytest.approx([1 / 9, 8 / 9])
    assert (question.started_at_ms, question.as_of_ms) == (NOW_MS, NOW_MS + DAY_MS)
    assert (question.ended_at_ms, question.by_unit, question.time_zone) == (None, False, "UTC")


def test_question__weights_changed__has_a_phase_for_each(store: Store, apply: Apply) -> None:
    apply(hero())
    apply_texts(store, hero("tags: [new]"), now_ms=NOW_MS + 1)
    changed = apply_texts(store, hero("tags: [new]", weights=(1000, 9000)), now_ms=NOW_MS + 2)
    assert changed.version is not None
    assert asked(store).phases == (
        Phase(1, 0, changed.version, (Arm("a", True, 0.5), Arm("b", False, 0.5))),
        Phase(2, changed.version, ANY_VERSION, (Arm("a", True, 0.1), Arm("b", False, 0.9))),
    )


def test_question__variant_removed_mid_run__has_it_in_its_phase_only(
    store: Store, apply: Apply
) -> None:
    three = "variants: [{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]\n"
    apply(f"key: hero\nname: Hero\n{three}")
    apply_texts(store, hero(), now_ms=NOW_MS + 1)
    first, second = asked(store).phases
    assert [arm.variant_key for arm in first.arms] == ["a", "b", "c"]
    assert [arm.variant_key for arm in second.arms] == ["a", "b"]


def test_question__of_what_events_activate__has_the_control_share(
    store: Store, apply: Apply
) -> None:
    apply(
        "key: hero\nname: Hero\ntype: personalization\nwhen: {event: view}\ncontrolShare: 0.2\n"
        "variants: [{key: offer, name: Offer}]\n"
    )
    (phase,) = asked(store).phases
    assert phase.arms == (Arm("control", True, 0.2), Arm("offer", False, 0.8))


def test_question__of_a_completed_experiment__is_as_of_its_end_and_the_windows(
    store: Store, apply: Apply
) -> None:
    apply(hero("unit: account", METRICS.replace("  - {metric: revenue, isGuardrail: true}\n", "")))
    with store.writing() as connection:
        done = Asked(Action.COMPLETE)
        act(connection, tenant_of(connection), "hero", done, actor=ANNA, now_ms=NOW_MS + 5)
    with store.writing() as connection:
        rolled = Asked(Action.ROLLOUT, variant="b")
        act(connection, tenant_of(connection), "hero", rolled, actor=ANNA, now_ms=NOW_MS + 9)
    question = asked(store, now_ms=NOW_MS + 90 * DAY_MS)
    assert question.ended_at_ms == NOW_MS + 5
    assert question.as_of_ms == NOW_MS + 5 + 7 * DAY_MS
    assert question.by_unit is True
    assert asked(store, now_ms=NOW_MS + DAY_MS).as_of_ms == NOW_MS + DAY_MS
    earlier = asked(store, now_ms=NOW_MS + 90 * DAY_MS, as_of_ms=NOW_MS + 3)
    assert earlier.as_of_ms == NOW_MS + 3


@pytest.mark.parametrize("key", ["holdout", "holdout.quiet"])
def test_question__of_the_holdout__is_about_all_metrics(
    store: Store, apply: Apply, key: str
) -> None:
    apply("kind: holdout\nkey: quiet\nname: Quiet\nrate: 0.1\n", REVENUE, hero())
    question = asked(store, key)
    assert question.experiment_id == question.experiment_key == "holdout.quiet"
    assert [metric.role for metric in question.metrics] == [Role.PRIMARY]
    (phase,) = question.phases
    assert phase.arms == (Arm("held", True, 0.1), Arm("open", False, 0.9))


def test_study__of_an_experiment__has_its_plan_and_its_names(store: Store, apply: Apply) -> None:
    apply(hero("analysis: {method: group_sequential, looks: 3, plannedSize: 500}"))
    with store.reading() as connection:
        study = study_of(connection, tenant_of(connection), "hero", Moment(NOW_MS))
    assert study.plan == AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=500, looks=3)
    assert (study.name, study.names) == ("Hero", {"a": "A", "b": "B"})
    assert plan_of(None) == AnalysisPlan()


def test_question__schedule_before_the_first_start__begins_there(
    store: Store, apply: Apply
) -> None:
    apply(hero('schedule: {start: "2026-11-01T00:00:00Z"}'))
    assert asked(store, now_ms=NOW_MS + DAY_MS).started_at_ms == 1_793_491_200_000
    apply_texts(store, hero('schedule: {start: "2026-12-01T00:00:00Z"}'), now_ms=NOW_MS + 1)
    assert asked(store, now_ms=NOW_MS + DAY_MS).started_at_ms == NOW_MS


def test_question__of_what_is_not_there__names_the_nearest(store: Store, apply: Apply) -> None:
    apply(hero())
    with pytest.raises(UnknownExperiment, match="did you mean hero"):
        asked(store, "heros")


def test_question__of_a_draft__is_refused(store: Store, apply: Apply) -> None:
    apply(hero("status: draft"))
    with pytest.raises(NotStarted, match="start it first"):
        asked(store)


@pytest.mark.parametrize("segment", ["country", "properties.", "properties.a'b", "url"])
def test_question__by_an_unknown_segment__is_refused(
    store: Store, apply: Apply, segment: str
) -> None:
    apply(hero())
    with pytest.raises(InvalidSegment, match="write device, source"):
        asked(store, segment_by=segment)
    assert asked(store, segment_by="properties.plan").segment_by == "properties.plan"
